/** Names without RLIMIT_, as Docker takes them. `as` is left out: the start-up of a container cannot live with it. */
export const ulimitNames: ReadonlySet<string> = new Set([
  "core",
  "cpu",
  "data",
  "fsize",
  "locks",
  "memlock",
  "msgqueue",
  "nice",
  "nofile",
  "nproc",
  "rss",
  "rtprio",
  "rttime",
  "sigpending",
  "stack",
]);
