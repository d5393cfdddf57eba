// What an engine that is gone left in the kernel's network. usage: erase-networks.ts <exec root>
import { eraseNetworks } from "../src/networks/erase.ts";

const execRoot = process.argv[2];
if (execRoot === undefined) throw new Error("usage: erase-networks.ts <exec root>");
eraseNetworks(execRoot);
