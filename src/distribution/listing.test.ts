import { expect, test } from "bun:test";
import { failure } from "./fixtures/bytes.ts";
import { named, testRegistries } from "./fixtures/registry-settings.ts";
import { json, scriptedServer, type ScriptedServer } from "./fixtures/scripted-server.ts";
import { readNext } from "./listing.ts";

const tagsAt = (server: ScriptedServer): Promise<string[]> =>
  Array.fromAsync(testRegistries().repository(named(server.host)).tags());
/** A registry of tags; `page` gives a page's tags and the address of the next. */
const tagServer = (page: (url: URL) => { tags: unknown; next?: string }): Promise<ScriptedServer> =>
  scriptedServer((request, response) => {
    const url = new URL(request.url ?? "", "http://x");
    if (url.pathname === "/v2/") return void response.end();
    const { tags, next } = page(url);
    json(response, 200, { name: "team/app", tags }, next === undefined ? {} : { Link: `<${next}>; rel="next"` });
  });

test("tags come over all pages, by relative addresses", async () => {
  await using server = await tagServer((url) => {
    const last = url.searchParams.get("last");
    return last === null ? { tags: ["a", "b"], next: "/v2/team/app/tags/list?last=b" } : { tags: ["c"] };
  });
  expect(await tagsAt(server)).toEqual(["a", "b", "c"]);
});

test("a repository without tags has none", async () => {
  await using server = await tagServer(() => ({ tags: null }));
  expect(await tagsAt(server)).toEqual([]);
});

test("a list that goes round, leads to another host, or holds what is no tag is an error", async () => {
  await using round = await tagServer(() => ({ tags: ["a"], next: "/v2/team/app/tags/list?last=a" }));
  expect((await failure(tagsAt(round))).message).toContain("lists without end");
  await using other = await tagServer(() => ({ tags: [] }));
  await using away = await tagServer(() => ({ tags: ["a"], next: `${other.origin}/v2/x` }));
  expect((await failure(tagsAt(away))).message).toContain("at another host");
  expect(other.seen).toEqual([]);
  for (const tag of ["../../etc", "a b", "", 7, null, "x".repeat(129)]) {
    await using evil = await tagServer(() => ({ tags: ["ok", tag] }));
    expect((await failure(tagsAt(evil))).message).toContain("lists a tag that is none");
  }
});

test("readNext() reads RFC 8288 as registries write it", () => {
  expect(readNext('</v2/_catalog?last=a&n=1>; rel="next"')).toBe("/v2/_catalog?last=a&n=1");
  expect(readNext('<a>; rel="prev", <b>; rel=next')).toBe("b");
  expect(readNext("<a>")).toBeUndefined();
  expect(readNext(null)).toBeUndefined();
});
