/** The completion scripts; loaded when used. What they ask is answered by answer.ts. */
export const completionCommands = {
  "completion bash": () => import("./completion.ts").then((m) => m.completionBash),
  "completion fish": () => import("./completion.ts").then((m) => m.completionFish),
  "completion zsh": () => import("./completion.ts").then((m) => m.completionZsh),
};
