import { address, cstring, errno, memory, symbols, SyscallError } from "../call.ts";

const libc = symbols({
  execve: { args: ["ptr", "ptr", "ptr"], returns: "int" },
});

/** Replaces this process by a program; pid, children and descriptors without close-on-exec stay. Returns never. */
export function execve(path: string, args: readonly string[], environment: Readonly<Record<string, string>>): never {
  const argv = vector(args);
  const envp = vector(Object.entries(environment).map(([name, value]) => `${name}=${value}`));
  libc.execve(cstring(path), argv.table, envp.table);
  throw new SyscallError("execve", errno(), path);
}

function vector(texts: readonly string[]): { table: Buffer; strings: Buffer[] } {
  const strings = texts.map(cstring);
  const table = memory(8 * (strings.length + 1));
  for (const [index, text] of strings.entries()) table.writeBigUInt64LE(address(text), 8 * index);
  return { table, strings };
}
