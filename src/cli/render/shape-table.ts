/**
 * The structs that docker's templates see, as far as they differ from the JSON: names in Go (`ID` for `Id`), what an
 * absent field is, and the order in which `{{.State}}` prints. Each field is `GoName=JsonName` and a kind:
 * none string, `#` number, `?` bool, `^` pointer to a scalar, `%` duration, `@` time, `~` anything, `[]` slice of,
 * `{}` map of, `*` pointer to and `:` a struct of this table.
 */
export const shapeTable = {
  Container:
    "ID=Id Created Path Args[] State*State Image ResolvConfPath HostnamePath HostsPath LogPath Name RestartCount# Driver Platform ImageManifestDescriptor^ MountLabel ProcessLabel AppArmorProfile ExecIDs[] HostConfig*HostConfig GraphDriver:DriverData SizeRw^ SizeRootFs^ Mounts[]:MountPoint Config*Config NetworkSettings*NetworkSettings",
  State: "Status Running? Paused? Restarting? OOMKilled? Dead? Pid# ExitCode# Error StartedAt FinishedAt Health*Health",
  Health: "Status FailingStreak# Log[]*HealthResult",
  HealthResult: "Start@ End@ ExitCode# Output",
  DriverData: "Data{} Name",
  MountPoint: "Type Name Source Destination Driver Mode RW? Propagation",
  Config:
    "Hostname Domainname User AttachStdin? AttachStdout? AttachStderr? ExposedPorts{}:Empty Tty? OpenStdin? StdinOnce? Env[] Cmd[] Healthcheck*HealthConfig ArgsEscaped? Image Volumes{}:Empty WorkingDir Entrypoint[] NetworkDisabled? MacAddress OnBuild[] Labels{} StopSignal StopTimeout^ Shell[]",
  HealthConfig: "Test[] Interval% Timeout% StartPeriod% StartInterval% Retries#",
  Empty: "",
  HostConfig:
    "Binds[] ContainerIDFile LogConfig:LogConfig NetworkMode PortBindings{}[]:PortBinding RestartPolicy:RestartPolicy AutoRemove? VolumeDriver VolumesFrom[] ConsoleSize[]# Annotations{} CapAdd[] CapDrop[] CgroupnsMode DNS=Dns[] DNSOptions=DnsOptions[] DNSSearch=DnsSearch[] ExtraHosts[] GroupAdd[] IpcMode Cgroup Links[] OomScoreAdj# PidMode Privileged? PublishAllPorts? ReadonlyRootfs? SecurityOpt[] StorageOpt{} Tmpfs{} UTSMode UsernsMode ShmSize# Sysctls{} Runtime Isolation CPUShares=CpuShares# Memory# NanoCPUs=NanoCpus# CgroupParent BlkioWeight# BlkioWeightDevice[]*WeightDevice BlkioDeviceReadBps[]*ThrottleDevice BlkioDeviceWriteBps[]*ThrottleDevice BlkioDeviceReadIOps[]*ThrottleDevice BlkioDeviceWriteIOps[]*ThrottleDevice CPUPeriod=CpuPeriod# CPUQuota=CpuQuota# CPURealtimePeriod=CpuRealtimePeriod# CPURealtimeRuntime=CpuRealtimeRuntime# CpusetCpus CpusetMems Devices[]:DeviceMapping DeviceCgroupRules[] DeviceRequests[]:DeviceRequest KernelMemory# KernelMemoryTCP# MemoryReservation# MemorySwap# MemorySwappiness^ OomKillDisable^ PidsLimit^ Ulimits[]*Ulimit CPUCount=CpuCount# CPUPercent=CpuPercent# IOMaximumIOps# IOMaximumBandwidth# Mounts[]:Mount MaskedPaths[] ReadonlyPaths[] Init^",
  LogConfig: "Type Config{}",
  PortBinding: "HostIP=HostIp HostPort",
  RestartPolicy: "Name MaximumRetryCount#",
  WeightDevice: "Path Weight#",
  ThrottleDevice: "Path Rate#",
  DeviceMapping: "PathOnHost PathInContainer CgroupPermissions",
  DeviceRequest: "Driver Count# DeviceIDs[] Capabilities[][] Options{}",
  Ulimit: "Name Hard# Soft#",
  Mount:
    "Type Source Target ReadOnly? Consistency BindOptions^ VolumeOptions^ ImageOptions^ TmpfsOptions^ ClusterOptions^",
  NetworkSettings:
    "Bridge SandboxID SandboxKey Ports{}[]:PortBinding HairpinMode? LinkLocalIPv6Address LinkLocalIPv6PrefixLen# SecondaryIPAddresses[]~ SecondaryIPv6Addresses[]~ EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen# IPAddress IPPrefixLen# IPv6Gateway MacAddress Networks{}*EndpointSettings",
  EndpointSettings:
    "IPAMConfig*EndpointIpam Links[] Aliases[] MacAddress DriverOpts{} GwPriority# NetworkID EndpointID Gateway IPAddress IPPrefixLen# IPv6Gateway GlobalIPv6Address GlobalIPv6PrefixLen# DNSNames[]",
  EndpointIpam: "IPv4Address IPv6Address LinkLocalIPs[]",
  Image:
    "ID=Id RepoTags[] RepoDigests[] Parent Comment Created Container ContainerConfig*Config DockerVersion Author Config*ImageConfig Architecture Variant Os OsVersion Size# VirtualSize# GraphDriver:DriverData RootFS:RootFs Metadata:ImageMetadata Descriptor^ Manifests[]~",
  ImageConfig:
    "User ExposedPorts{}:Empty Env[] Entrypoint[] Cmd[] Volumes{}:Empty WorkingDir Labels{} StopSignal ArgsEscaped? Healthcheck*HealthConfig OnBuild[] Shell[]",
  RootFs: "Type Layers[]",
  ImageMetadata: "LastTagTime@",
  Network:
    "Name ID=Id Created@ Scope Driver EnableIPv4? EnableIPv6? IPAM:Ipam Internal? Attachable? Ingress? ConfigFrom:ConfigReference ConfigOnly? Containers{}:EndpointResource Options{} Labels{} Peers[]~ Services{}~",
  Ipam: "Driver Options{} Config[]:IpamConfig",
  IpamConfig: "Subnet IPRange Gateway AuxAddress=AuxiliaryAddresses{}",
  ConfigReference: "Network",
  EndpointResource: "Name EndpointID MacAddress IPv4Address IPv6Address",
  Volume: "ClusterVolume^ CreatedAt Driver Labels{} Mountpoint Name Options{} Scope Status{}~ UsageData*VolumeUsage",
  VolumeUsage: "RefCount# Size#",
} as const satisfies Record<string, string>;
