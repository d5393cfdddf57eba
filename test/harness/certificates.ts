import { join } from "node:path";
import { writeFile } from "node:fs/promises";

export interface TestAuthority {
  /** File of its certificate. */
  readonly file: string;
  /** Makes a certificate for names and addresses (`DNS:x`, `IP:x`), or one for a client. */
  issue(name: string, subjects: readonly string[]): Promise<{ certificate: string; key: string }>;
}

/** A certificate authority in a folder, by openssl. */
export async function makeAuthority(folder: string, name = "ca"): Promise<TestAuthority> {
  const openssl = (...args: string[]) => Bun.$`openssl ${args}`.cwd(folder).quiet();
  const fresh = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  await openssl(
    "req",
    "-x509",
    ...fresh,
    "-keyout",
    `${name}.key`,
    "-out",
    `${name}.pem`,
    "-days",
    "30",
    "-subj",
    `/CN=${name}`,
  );
  return {
    file: join(folder, `${name}.pem`),
    async issue(subject, subjects) {
      await openssl("req", ...fresh, "-keyout", `${subject}.key`, "-out", `${subject}.csr`, "-subj", `/CN=${subject}`);
      await writeFile(
        join(folder, `${subject}.ext`),
        subjects.length > 0 ? `subjectAltName=${subjects.join(",")}\n` : "",
      );
      await openssl(
        "x509",
        "-req",
        "-in",
        `${subject}.csr`,
        "-CA",
        `${name}.pem`,
        "-CAkey",
        `${name}.key`,
        "-CAcreateserial",
        "-out",
        `${subject}.pem`,
        "-days",
        "30",
        "-extfile",
        `${subject}.ext`,
      );
      return { certificate: join(folder, `${subject}.pem`), key: join(folder, `${subject}.key`) };
    },
  };
}
