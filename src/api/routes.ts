import type { Routes } from "./route.ts";
import { absentRoutes } from "./routes/absent.ts";
import { buildRoutes } from "./routes/build.ts";
import { buildRunRoutes } from "./routes/build-run.ts";
import { buildkitRoutes } from "./routes/buildkit.ts";
import { containerRoutes } from "./routes/container.ts";
import { containerStreamRoutes } from "./routes/container-streams.ts";
import { distributionRoutes } from "./routes/distribution.ts";
import { imageCareRoutes } from "./routes/image-care.ts";
import { imageFileRoutes } from "./routes/image-files.ts";
import { imageRoutes } from "./routes/image.ts";
import { networkRoutes } from "./routes/network.ts";
import { systemRoutes } from "./routes/system.ts";
import { volumeContentRoutes } from "./routes/volume-contents.ts";
import { volumeRoutes } from "./routes/volume.ts";

/** Every operation of the Engine API. */
export const routes: Routes = {
  ...systemRoutes,
  ...buildRoutes,
  ...buildRunRoutes,
  ...containerRoutes,
  ...containerStreamRoutes,
  ...imageRoutes,
  ...imageFileRoutes,
  ...imageCareRoutes,
  ...distributionRoutes,
  ...volumeRoutes,
  ...volumeContentRoutes,
  ...networkRoutes,
  ...buildkitRoutes,
  ...absentRoutes,
};
