import { command } from "../command.ts";
import { eraseCredential } from "./credentials.ts";
import { hubAddress, serverKey } from "./registry-name.ts";

export const logout = command({
  path: "logout",
  args: "[SERVER]",
  arity: { min: 0, max: 1 },
  summary: "Log out from a registry",
  flags: {},
  async run({ args: [address = ""], stdout, stderr, configDir }) {
    const server = serverKey(address);
    stdout.write(`Removing login credentials for ${server}\n`);
    // keys that older clients used for the same registry
    const keys =
      server === hubAddress ? [server] : [...new Set([server, address, `http://${server}`, `https://${server}`])];
    const problems = await eraseCredential(configDir, keys);
    if (problems.length > 0) stderr.write(`WARNING: could not erase credentials:\n${problems.join("\n")}\n`);
  },
});
