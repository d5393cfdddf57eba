import type { StepRunner } from "../build/step-runner.ts";
import type { OpenContainers } from "../containers/open.ts";

/** Steps of builds as processes of the containers feature: the same plan, runtime, monitor, networks and limits. */
export function stepRunner(containers: Pick<OpenContainers, "runStep">): StepRunner {
  return {
    run(step, options) {
      const { limits } = step;
      return containers.runStep({
        ...options,
        id: step.id,
        request: {
          Cmd: [...step.args],
          Env: [...step.env],
          WorkingDir: step.cwd,
          User: step.user,
          Hostname: step.hostname,
          HostConfig: {
            NetworkMode: step.network,
            Privileged: step.insecure,
            ExtraHosts: [...step.extraHosts],
            Memory: limits.memoryBytes,
            MemorySwap: limits.memorySwapBytes,
            CpuShares: limits.cpuShares,
            CpuPeriod: limits.cpuPeriodUs,
            CpuQuota: limits.cpuQuotaUs,
            CpusetCpus: limits.cpusetCpus,
            CpusetMems: limits.cpusetMems,
            ...(limits.shmSizeBytes > 0 && { ShmSize: limits.shmSizeBytes }),
            CgroupParent: limits.cgroupParent,
            Ulimits: limits.ulimits.map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })),
            Mounts: step.mounts.map((mount) =>
              mount.type === "bind"
                ? { Type: "bind", Source: mount.source, Target: mount.target, ReadOnly: mount.readOnly }
                : {
                    Type: "tmpfs",
                    Target: mount.target,
                    ...(mount.sizeBytes > 0 && { TmpfsOptions: { SizeBytes: mount.sizeBytes } }),
                  },
            ),
          },
        },
      });
    },
  };
}
