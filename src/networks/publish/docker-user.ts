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

/**
 * `rules` is the output of `iptables -S`. Rules of ours for bridges that are not wanted any more are deleted, and so
 * are those of other engines whose bridge is gone: they were killed and cannot do it themselves.
 */
export function planDockerUser(
  rules: string,
  tag: string,
  options: { bridges: readonly string[]; exists: (link: string) => boolean },
): DockerUserPlan {
  const lines = rules.split("\n");
  const drops = lines.includes("-P FORWARD DROP");
  if (!lines.includes("-N DOCKER-USER")) return { script: "", blocked: drops };
  const wanted = drops ? options.bridges.flatMap((bridge) => [`-i ${bridge}`, `-o ${bridge}`]) : [];
  const present = lines.flatMap((line) => {
    const found = /^-A DOCKER-USER (-[io] (\S+)) -m comment --comment (berth[0-9a-f]{1,8}) -j ACCEPT$/.exec(line);
    return found === null ? [] : [{ line, match: found[1] ?? "", link: found[2] ?? "", tag: found[3] ?? "" }];
  });
  const unwanted = present.filter((rule) =>
    rule.tag === tag ? !wanted.includes(rule.match) : !options.exists(rule.link),
  );
  const missing = wanted.filter((match) => !present.some((rule) => rule.tag === tag && rule.match === match));
  const changes = [
    ...unwanted.map(({ line }) => line.replace(/^-A/, "-D")),
    ...missing.map((match) => `-I DOCKER-USER ${match} -m comment --comment ${tag} -j ACCEPT`),
  ];
  return { script: changes.length === 0 ? "" : `*filter\n${changes.join("\n")}\nCOMMIT\n`, blocked: false };
}
