import { type NetlinkWriter, NLM_F_ACK, NLM_F_CREATE } from "./writer.ts";

// linux/rtnetlink.h, linux/pkt_sched.h
const RTM_NEWQDISC = 36;
const NLM_F_REPLACE = 0x100;
const TC_H_ROOT = 0xffff_ffff;
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_TBF = { parameters: 1, rate64: 4, burst: 6 };
const TC_LINKLAYER_ETHERNET = 1;

/** A burst takes at least one packet of the largest kind (GSO), and what a tick of the kernel lets through. */
const burstAtLeastBytes = 96 * 1024;
const ticksASecond = 250;
/** How long a packet may wait before it is dropped. */
const latencyMs = 50;

/** Lets at most so many bits a second leave by a link, with tc-tbf(8). */
export function limitRate(writer: NetlinkWriter, index: number, bitsPerSecond: number): void {
  const bytesPerSecond = Math.max(1, Math.floor(bitsPerSecond / 8));
  const burstBytes = Math.max(burstAtLeastBytes, Math.ceil(bytesPerSecond / ticksASecond));
  const limitBytes = Math.min(0xffff_ffff, burstBytes + Math.ceil((bytesPerSecond * latencyMs) / 1000));
  writer.message("set rate", RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, () => {
    writer.u8(0).u8(0).u16(0).u32(index).u32(0).u32(TC_H_ROOT).u32(0);
    writer.attribute(TCA_KIND, "tbf");
    writer.nest(TCA_OPTIONS, () => {
      // struct tc_tbf_qopt: rate and peak rate (12 bytes each), limit, buffer, mtu
      const parameters = Buffer.alloc(36);
      parameters.writeUInt8(TC_LINKLAYER_ETHERNET, 1);
      parameters.writeUInt32LE(Math.min(bytesPerSecond, 0xffff_ffff), 8);
      parameters.writeUInt32LE(limitBytes, 24);
      writer.attribute(TCA_TBF.parameters, parameters);
      const rate = Buffer.alloc(8);
      rate.writeBigUInt64LE(BigInt(bytesPerSecond));
      if (bytesPerSecond > 0xffff_ffff) writer.attribute(TCA_TBF.rate64, rate);
      writer.attribute(TCA_TBF.burst, burstBytes);
    });
  });
}
