import { expect, test } from "bun:test";
import { match } from "./match.ts";
import { operations, type OperationId } from "../spec/engine/operations.gen.ts";

test("every operation is found by its own path", () => {
  for (const id of Object.keys(operations) as OperationId[]) {
    const { method, path } = operations[id];
    expect(match(method, path.replace(/\{\w+\}/, "some/name:1"))?.id).toBe(id);
  }
});

test("fixed paths win over names, suffixes over bare names", () => {
  expect(match("GET", "/images/json")).toEqual({ id: "ImageList", params: {} });
  expect(match("GET", "/networks/")?.id).toBe("NetworkList");
  expect(match("GET", "/images/json/json")).toEqual({ id: "ImageInspect", params: { name: "json" } });
  expect(match("GET", "/containers/a/attach/ws")).toEqual({ id: "ContainerAttachWebsocket", params: { id: "a" } });
  expect(match("DELETE", "/images/r:5000/a/b:t")).toEqual({ id: "ImageDelete", params: { name: "r:5000/a/b:t" } });
  expect(match("GET", "/containers/%2Fweb/json")).toEqual({ id: "ContainerInspect", params: { id: "/web" } });
  for (const path of ["/", "/containers", "/containers//json", "/nope/x/json", "/containers/%E0%A4/json"])
    expect([path, match("GET", path)]).toEqual([path, undefined]);
});
