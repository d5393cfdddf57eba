import type { DeviceRequest } from "../../spec/engine/types.gen.ts";
import { keyValueMap } from "../values/label.ts";
import { parseCsvLine } from "../values/csv.ts";

/** `--gpus all`, `--gpus 2`, `--gpus '"device=0,1",capabilities=utility'`. Capabilities always hold "gpu". */
export function gpuRequest(text: string): DeviceRequest {
  const request: DeviceRequest = { Driver: "", Count: 0, DeviceIDs: null, Capabilities: [["gpu"]], Options: {} };
  for (const field of parseCsvLine(text)) {
    const [name = "", value] = field.split(/=(.*)/s, 2);
    if (value === undefined) request.Count = count(name);
    else if (name === "count") request.Count = count(value);
    else if (name === "driver") request.Driver = value;
    else if (name === "device") request.DeviceIDs = value.split(",");
    else if (name === "options") request.Options = keyValueMap(parseCsvLine(value));
    else if (name === "capabilities") request.Capabilities = [[...new Set([...value.split(","), "gpu"])]];
  }
  if (request.Count === 0 && request.DeviceIDs === null) request.Count = 1;
  return request;
}

const count = (text: string): number => (text === "all" ? -1 : Number(text));
