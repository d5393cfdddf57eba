import { expect, test } from "bun:test";
import { failure } from "./fixtures/bytes.ts";
import { testRegistries } from "./fixtures/registry-settings.ts";
import { json, refuse, scriptedServer } from "./fixtures/scripted-server.ts";

test("a registry with Docker Hub's search is asked by it", async () => {
  await using server = await scriptedServer((request, response) => {
    if (!request.url?.startsWith("/v1/search")) return void response.end();
    json(response, 200, {
      results: [
        { name: "acme/web", description: "a web", star_count: 7, is_official: true, is_automated: false },
        { name: "acme/odd", description: null },
        { description: "without a name" },
        null,
      ],
    });
  });
  expect(await testRegistries().search(`${server.host}/acme/w`, { limit: 10 })).toEqual([
    { name: "acme/web", description: "a web", stars: 7, official: true, automated: false },
    { name: "acme/odd", description: "", stars: 0, official: false, automated: false },
  ]);
  expect(server.seen.at(-1)?.url).toBe("/v1/search?q=acme%2Fw&n=10");
});

test("a registry without it is asked for its catalogue, page by page, to the limit", async () => {
  await using server = await scriptedServer((request, response) => {
    const url = new URL(request.url ?? "", "http://x");
    if (url.pathname === "/v2/") return void response.end();
    if (url.pathname !== "/v2/_catalog") return refuse(response, 404, "NOT_FOUND");
    const from = Number(url.searchParams.get("last") ?? 0);
    json(
      response,
      200,
      { repositories: [`app${from}`, `lib${from}`, 5] },
      { Link: `</v2/_catalog?last=${from + 1}>; rel="next"` },
    );
  });
  const hits = await testRegistries().search(`${server.host}/app`, { limit: 3 });
  expect(hits.map(({ name }) => name)).toEqual(["app0", "app1", "app2"]);
});

test("limits and terms are judged in moby's words", async () => {
  const registries = testRegistries();
  expect((await failure(registries.search("x", { limit: 101 }))).message).toBe(
    "Limit 101 is outside the range of [1, 100]",
  );
  expect((await failure(registries.search("http://x/y", { limit: 1 }))).message).toBe(
    "invalid repository name: repository name (http://x/y) should not have a scheme",
  );
});
