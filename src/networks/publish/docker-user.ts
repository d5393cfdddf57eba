/**
 * dockerd sets the policy of the iptables FORWARD chain to DROP, which no table of ours can overrule: a packet must be
 * accepted by every base chain. dockerd offers the chain DOCKER-USER for exactly this, and leaves it alone; our bridges
 * are accepted there while the engine runs. What may pass between networks is decided by our own forward chain.
 */
export interface DockerUserPlan {
  /** Input for `iptables-restore --noflush`; empty = nothing to do. */
  readonly script: string;
  /** The policy drops what we forward, and there is no DOCKER-USER chain to put it right. */
  readonly blocked: boolean;
}

/** `rules` is the output of `iptables -S`. Rules of ours for bridges that are not wanted any more are deleted. */
export function planDockerUser(rules: string, tag: string, bridges: readonly string[]): DockerUserPlan {
  const lines = rules.split("\n");
  const drops = lines.includes("-P FORWARD DROP");
  if (!lines.includes("-N DOCKER-USER")) return { script: "", blocked: drops };
  const ours = lines.filter((line) => line.startsWith("-A DOCKER-USER ") && line.includes(`--comment ${tag} `));
  const wanted = drops ? bridges.flatMap((bridge) => [`-i ${bridge}`, `-o ${bridge}`]) : [];
  const matches = (line: string, match: string): boolean => `${line} `.includes(` ${match} `);
  const changes = [
    ...ours.filter((line) => !wanted.some((match) => matches(line, match))).map((line) => line.replace(/^-A/, "-D")),
    ...wanted
      .filter((match) => !ours.some((line) => matches(line, match)))
      .map((match) => `-I DOCKER-USER ${match} -m comment --comment ${tag} -j ACCEPT`),
  ];
  return { script: changes.length === 0 ? "" : `*filter\n${changes.join("\n")}\nCOMMIT\n`, blocked: false };
}
