import { expect, test } from "bun:test";
import { startStatus } from "./start-failure.ts";

// texts of runc and crun
test.each([
  ['exec: "nosuch": executable file not found in $PATH: unknown', 127],
  ['exec: "/nosuch": stat /nosuch: no such file or directory: unknown', 127],
  ['exec: "/etc": permission denied: unknown', 126],
  ["crun: open executable: Is a directory? exec /etc: is a directory", 126],
  ["driver failed programming external connectivity: port is already allocated", 125],
])("%p gives %p", (message, status) => {
  expect(startStatus(message)).toBe(status);
});
