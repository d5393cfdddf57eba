const list = (words: string): readonly string[] => words.trim().split(/\s+/);

export const adjectives = list(`
  able airy amber apt arctic blithe bold brisk bronze calm candid chief civil clear clever coastal cobalt copper cordial
  crisp daring deft dewy eager early earnest easy even fabled fair fearless fleet fond frank fresh gallant gentle glad
  golden hale handy hardy hazel hearty honest humble icy ivory jaunty jolly keen kind level light lively loyal lucid
  lunar mellow merry mild misty mobile modest neat nimble noble north olive open patient placid plucky polar prime proud
  quick quiet rapid ready robust rosy ruby rustic sandy serene sharp silver sincere smooth snug solar solid south spry
  stable staunch steady still stout sunny supple sure swift tacit tall tender thrifty tidal tidy trim true trusty upbeat
  velvet vernal vivid warm wary willing windy witty woven zesty
`);

/** People who built with their hands, their minds or their patience; most of them had to do with ships or the sea. */
export const people = list(`
  abbe agnesi airy anning apgar aryabhata banneker bartik beaufort bessel blackwell bohr brahe brunel cartwright cauchy
  chapman chebyshev clarke colden cook coriolis cray cugnot daguerre diesel dirac earhart easley edgeworth ekman ericsson
  ferguson fitzroy foucault fourier franklin fresnel froude gama gauss germain gilbreth halley harrison herschel hodgkin
  hollerith hypatia jacquard jemison kepler khayyam kovalev kwolek lamarr laplace leavitt lind lovelace magellan maury
  meitner mercator mitchell morse nansen napier neumann newcomen noether ohm pascal peary perkin piccard planck polo
  ptolemy raman ramsey riemann ross rubin sammet sinclair slocum somerville stevin sverdrup tasman telford tereshkova
  tharp torricelli turing vauban vespucci volta watt wilkins wright wu yonath zeppelin zheng
`);
