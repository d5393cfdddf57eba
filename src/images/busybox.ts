import { createReadStream, statSync } from "node:fs";
import { Readable } from "node:stream";
import { tarEnd, tarHeader, tarPadding } from "../snapshots/tree/tar-writer.ts";

/** Programs that busybox-static of Debian 12 answers to; a link to one that a build lacks just says so. */
const applets =
  "[ [[ adjtimex ar arch arp arping ascii ash awk base64 basename bc blkdiscard blockdev brctl bunzip2 bzcat bzip2 cal cat chgrp chmod chown chroot chvt clear cmp cp cpio crc32 cttyhack cut date dc dd deallocvt depmod devmem df diff dirname dmesg dnsdomainname dos2unix du dumpkmap dumpleases echo egrep env expand expr factor fallocate false fatattr fgrep find findfs fold free freeramdisk fsfreeze fstrim ftpget ftpput getopt getty grep groups gunzip gzip halt head hexdump hostid hostname httpd hwclock i2cdetect i2cdump i2cget i2cset id ifconfig ifdown ifup init insmod ionice ip ipcalc kill killall klogd last less link linux32 linux64 ln loadfont loadkmap logger login logname logread losetup ls lsmod lsscsi lzcat lzma lzop md5sum mdev microcom mim mkdir mkdosfs mke2fs mkfifo mknod mkpasswd mkswap mktemp modinfo modprobe more mount mountpoint mt mv nameif nbd-client nc netstat nl nologin nproc nsenter nslookup nuke od openvt partprobe paste patch pidof ping ping6 pivot_root poweroff printf ps pwd rdate readlink realpath reboot renice reset resume rev rm rmdir rmmod route rpm rpm2cpio run-init run-parts sed seq setkeycodes setpriv setsid sh sha1sum sha256sum sha3sum sha512sum shred shuf sleep sort ssl_client start-stop-daemon stat strings stty svc svok swapoff swapon switch_root sync sysctl syslogd tac tail tar taskset tc tee telnet telnetd test tftp time timeout top touch tr traceroute traceroute6 true truncate ts tty ubirename udhcpc udhcpd uevent umount uname uncompress unexpand uniq unix2dos unlink unlzma unshare unxz unzip uptime usleep uudecode uuencode vconfig vi w watch watchdog wc wget which who whoami xargs xxd xz xzcat yes zcat".split(
    " ",
  );

const folders: readonly (readonly [name: string, mode: number])[] = [
  ["bin", 0o755],
  ["dev", 0o755],
  ["etc", 0o755],
  ["home", 0o755],
  ["proc", 0o755],
  ["root", 0o700],
  ["sys", 0o755],
  ["tmp", 0o1777],
  ["usr", 0o755],
  ["usr/bin", 0o755],
  ["usr/sbin", 0o755],
  ["var", 0o755],
  ["var/spool", 0o755],
  ["var/spool/mail", 0o755],
  ["var/www", 0o755],
];

const files: Record<string, string> = {
  "etc/group":
    "root:x:0:\ndaemon:x:1:\nbin:x:2:\nsys:x:3:\nadm:x:4:\ntty:x:5:\ndisk:x:6:\nwww-data:x:33:\nusers:x:100:\nnogroup:x:65534:\n",
  "etc/nsswitch.conf": "hosts: files dns\n",
  "etc/passwd":
    "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nbin:x:2:2:bin:/bin:/bin/false\nsys:x:3:3:sys:/dev:/bin/false\nmail:x:8:8:mail:/var/spool/mail:/bin/false\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n",
  "etc/shadow":
    "root:*:::::::\ndaemon:*:::::::\nbin:*:::::::\nsys:*:::::::\nmail:*:::::::\nwww-data:*:::::::\nnobody:*:::::::\n",
};

/**
 * A root file system made of a static busybox: what `busybox:latest` is where no registry can be reached. The same
 * program gives the same bytes. Import it with `CMD ["sh"]`.
 */
export function makeBusyboxTar(busyboxPath: string): Readable {
  return Readable.from(members(busyboxPath), { objectMode: false });
}

async function* members(busyboxPath: string): AsyncGenerator<Buffer> {
  const owner = { uid: 0, gid: 0, mtimeSeconds: 0 };
  yield tarHeader({ ...owner, name: "./", type: "folder", mode: 0o755 });
  for (const [name, mode] of folders) yield tarHeader({ ...owner, name: `${name}/`, type: "folder", mode });
  for (const [name, text] of Object.entries(files)) {
    const bytes = Buffer.from(text);
    yield Buffer.concat([
      tarHeader({ ...owner, name, type: "file", mode: name === "etc/shadow" ? 0o640 : 0o644, sizeBytes: bytes.length }),
      bytes,
      tarPadding(bytes.length),
    ]);
  }
  const { size } = statSync(busyboxPath);
  yield tarHeader({ ...owner, name: "bin/busybox", type: "file", mode: 0o755, sizeBytes: size });
  let sent = 0;
  for await (const chunk of createReadStream(busyboxPath, { end: size - 1 })) {
    sent += (chunk as Buffer).length;
    yield chunk as Buffer;
  }
  if (sent !== size) throw new Error(`${busyboxPath} changed while it was read`);
  yield tarPadding(size);
  for (const applet of applets)
    yield tarHeader({ ...owner, name: `bin/${applet}`, type: "link", mode: 0o755, linkName: "bin/busybox" });
  for (const [name, target] of [["usr/bin/env", "../../bin/env"]] as const)
    yield tarHeader({ ...owner, name, type: "symlink", mode: 0o777, linkName: target });
  yield tarEnd;
}
