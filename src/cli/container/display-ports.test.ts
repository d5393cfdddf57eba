import { expect, test } from "bun:test";
import { displayPorts } from "./display-ports.ts";

// recorded from docker 28.2.2
test("displayPorts() folds neighbours into ranges", () => {
  const tcp = (PrivatePort: number, IP?: string, PublicPort?: number) => ({
    PrivatePort,
    Type: "tcp" as const,
    IP,
    PublicPort,
  });
  expect(displayPorts([])).toBe("");
  expect(displayPorts([tcp(80)])).toBe("80/tcp");
  expect(displayPorts([tcp(82), tcp(80), tcp(81)])).toBe("80-82/tcp");
  expect(displayPorts([tcp(80, "0.0.0.0", 80), tcp(81, "0.0.0.0", 81)])).toBe("0.0.0.0:80-81->80-81/tcp");
  expect(displayPorts([tcp(80, "0.0.0.0", 8080), tcp(80, "::", 8080), tcp(90)])).toBe(
    "90/tcp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp",
  );
});
