/** The commands about credentials of registries; loaded when used. */
export const loginCommands = {
  login: () => import("./login.ts").then((m) => m.login),
  logout: () => import("./logout.ts").then((m) => m.logout),
};
