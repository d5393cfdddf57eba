import { passMark } from "./ruleset.ts";

/**
 * dockerd sets the policy of the iptables FORWARD chain to DROP, which no table of ours can overrule: a packet must be
 * accepted by every base chain. dockerd offers the chain DOCKER-USER for exactly this, and leaves it alone; packets that
 * carry the mark of our bridges are accepted there while the engine runs. One rule for all networks: running iptables
 * for each would cost more than the network. What may pass between networks is decided by our own forward chain.
 */
export interface DockerUserPlan {
  /** Input for `iptables-restore --noflush`; empty = nothing to do. */
  readonly script: string;
  /** The policy drops what we forward, and there is no DOCKER-USER chain to put it right. */
  readonly blocked: boolean;
  /** Packets must carry the mark to pass. */
  readonly marked: boolean;
}

/**
 * `rules` is the output of `iptables -S`. Rules of ours that are not wanted are deleted, and so are those of other
 * engines that are gone: they were killed and cannot do it themselves. `exists` tells whether a bridge is there; an
 * engine's own has the name of its rules.
 */
export function planDockerUser(
  rules: string,
  tag: string,
  options: { wanted: boolean; exists: (link: string) => boolean },
): DockerUserPlan {
  const lines = rules.split("\n");
  const drops = lines.includes("-P FORWARD DROP");
  if (!lines.includes("-N DOCKER-USER")) return { script: "", blocked: drops, marked: false };
  const match = `-m mark --mark ${passMark}/${passMark}`;
  const marked = drops && options.wanted;
  const present = lines.flatMap((line) => {
    const found =
      /^-A DOCKER-USER (-[io] \S+|-m mark --mark \S+) -m comment --comment (berth[0-9a-f]{1,8}) -j ACCEPT$/.exec(line);
    return found === null ? [] : [{ line, match: found[1] ?? "", tag: found[2] ?? "" }];
  });
  const unwanted = present.filter((rule) =>
    rule.tag === tag ? !marked || rule.match !== match : !options.exists(rule.tag),
  );
  const missing = marked && !present.some((rule) => rule.tag === tag && rule.match === match);
  const changes = [
    ...unwanted.map(({ line }) => line.replace(/^-A/, "-D")),
    ...(missing ? [`-I DOCKER-USER ${match} -m comment --comment ${tag} -j ACCEPT`] : []),
  ];
  return { script: changes.length === 0 ? "" : `*filter\n${changes.join("\n")}\nCOMMIT\n`, blocked: false, marked };
}
