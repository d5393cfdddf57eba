// Stock clients that this Debian release does not have: buildx and compose v2, unpacked without being installed.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./setup.mjs";

const folder = join(root, "dist/newer-clients");
const plugins = join(folder, "usr/libexec/docker/cli-plugins");
const packages = ["docker-buildx", "docker-compose"];
/** Debian's development release has them all; it is read for these packages alone, in folders of its own. */
const suite = "sid";

/**
 * A folder for DOCKER_CONFIG whose `cli-plugins` holds docker-buildx and docker-compose, or an empty string where they
 * cannot be had, which is said.
 */
export function newerClientsConfig(say = console.log) {
  const config = join(folder, "config");
  if (packages.every((name) => existsSync(join(config, "cli-plugins", name)))) return config;
  try {
    say(`unpacking ${packages.join(" and ")} of Debian's newer releases: stock clients that tests drive`);
    rmSync(folder, { recursive: true, force: true });
    for (const name of ["lists/partial", "cache/archives/partial", "config/cli-plugins"])
      mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, "sources.list"), `deb ${debianAddress()} ${suite} main\n`);
    const settings = join(folder, "apt.conf");
    writeFileSync(
      settings,
      `Dir::Etc::sourcelist "${folder}/sources.list";\nDir::Etc::sourceparts "-";\nDir::State::lists "${folder}/lists";\nDir::Cache "${folder}/cache";\n`,
    );
    const apt = (...args) =>
      execFileSync("apt-get", ["-qq", "-o", "APT::Sandbox::User=root", ...args], {
        cwd: folder,
        env: { ...process.env, APT_CONFIG: settings },
        stdio: ["ignore", "ignore", "pipe"],
      });
    apt("update");
    apt("download", ...packages);
    for (const name of readdirSync(folder).filter((file) => file.endsWith(".deb")))
      execFileSync("dpkg-deb", ["-x", name, "."], { cwd: folder });
    for (const name of packages) execFileSync("cp", [join(plugins, name), join(config, "cli-plugins", name)]);
    return config;
  } catch (error) {
    say(
      `not here: ${packages.join(" and ")} (${String(error.stderr ?? error.message)
        .trim()
        .split("\n")
        .at(-1)})`,
    );
    return "";
  }
}

/** Where this machine's own packages come from. */
function debianAddress() {
  const lines = execFileSync("apt-get", ["indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"], {
    encoding: "utf8",
  });
  const line = lines.split("\n").find((text) => text.startsWith("Debian "));
  if (!line) throw new Error("no Debian archive is set up");
  return line.slice("Debian ".length);
}
