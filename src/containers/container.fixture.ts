import type { Container } from "./container.ts";
import type { CreateRequest } from "./containers.ts";
import { testContainer } from "./create/request.fixture.ts";

/** A container as a create makes it, for tests that need no daemon. */
export function containerFixture(id: string, request: CreateRequest = {}, createdAtNs = 1n): Container {
  return { ...testContainer(request, { id, name: `name-${id.slice(0, 4)}` }), createdAtNs };
}
