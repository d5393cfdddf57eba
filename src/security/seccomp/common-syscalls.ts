/**
 * System calls that every container may make, by topic. Which calls these are is a fact taken from Docker's default
 * profile (moby/profiles seccomp 0.2.3); they include the 32-bit twins, for programs of the sub-architectures.
 */
const topics = {
  // Making, running, ending and waiting for processes; threads
  processes: `
    execve execveat exit exit_group fork futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake getcpu
    getpriority getrlimit get_robust_list getrusage get_thread_area ioprio_get ioprio_set landlock_add_rule
    landlock_create_ruleset landlock_restrict_self membarrier pidfd_open pidfd_send_signal prctl prlimit64
    process_mrelease restart_syscall riscv_hwprobe rseq sched_getaffinity sched_getattr sched_getparam
    sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval
    sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield
    seccomp setpriority setrlimit set_robust_list set_thread_area set_tid_address ugetrlimit uretprobe vfork wait4
    waitid waitpid
  `,
  // Users, groups, capabilities, sessions
  identity: `
    capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid
    getppid getresgid getresgid32 getresuid getresuid32 getsid gettid getuid getuid32 setfsgid setfsgid32 setfsuid
    setfsuid32 setgid setgid32 setgroups setgroups32 setpgid setregid setregid32 setresgid setresgid32 setresuid
    setresuid32 setreuid setreuid32 setsid setuid setuid32
  `,
  // Signals
  signals: `
    kill pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack signalfd signalfd4 sigprocmask sigreturn tgkill tkill
  `,
  // Memory of the process itself
  memory: `
    brk madvise map_shadow_stack memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap
    mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages
  `,
  // Clocks, timers, sleeping
  time: `
    adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
    clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete
    timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
    timerfd_gettime64 timerfd_settime timerfd_settime64 times
  `,
  // Names, folders and facts of files
  files: `
    access chdir creat faccessat faccessat2 fchdir fstat fstat64 fstatat64 fstatfs fstatfs64 getcwd getdents
    getdents64 link linkat listmount lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open
    openat openat2 readlink readlinkat rename renameat renameat2 rmdir stat stat64 statfs statfs64 statmount statx
    symlink symlinkat unlink unlinkat
  `,
  // Owner, mode, times, extended attributes of files
  attributes: `
    chmod chown chown32 fchmod fchmodat fchmodat2 fchown fchown32 fchownat fgetxattr flistxattr fremovexattr
    fsetxattr futimesat getxattr getxattrat lchown lchown32 lgetxattr listxattr listxattrat llistxattr lremovexattr
    lsetxattr removexattr removexattrat setxattr setxattrat umask utime utimensat utimensat_time64 utimes
  `,
  // Reading and writing of open files
  io: `
    cachestat close close_range copy_file_range dup dup2 dup3 fadvise64 fadvise64_64 fallocate fcntl fcntl64
    fdatasync flock fsync ftruncate ftruncate64 io_cancel ioctl io_destroy io_getevents io_pgetevents
    io_pgetevents_time64 io_setup io_submit _llseek lseek pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev
    pwritev2 read readahead readv sendfile sendfile64 splice sync sync_file_range syncfs tee truncate truncate64
    vmsplice write writev
  `,
  // Readiness and events
  waiting: `
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
    eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch _newselect poll ppoll
    ppoll_time64 pselect6 pselect6_time64 select
  `,
  // Sockets, `socket` itself apart: it is allowed by family
  sockets: `
    accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64
    recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair
  `,
  // System V and POSIX inter-process communication
  ipc: `
    ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64
    mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget
  `,
  // The machine: names, facts, random numbers
  machine: `
    getrandom sysinfo uname
  `,
};

export const commonSyscalls: readonly string[] = Object.values(topics).flatMap((topic) =>
  topic.split(/\s+/).filter(Boolean),
);
