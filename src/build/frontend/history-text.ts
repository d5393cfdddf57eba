import type { StageState } from "./stage-state.ts";

/** What an image without a SHELL uses. */
export const defaultShell: readonly string[] = ["/bin/sh", "-c"];

export const shellOf = (state: StageState): readonly string[] =>
  state.config.Shell && state.config.Shell.length > 0 ? state.config.Shell : defaultShell;

/** Adds an entry for a step that changes the configuration alone. The texts differ where the two builders' do. */
export function metadataStep(state: StageState, text: string, classicText = text): void {
  const line = state.context.options.style === "buildkit" ? text : `${shellOf(state).join(" ")} #(nop)  ${classicText}`;
  state.addHistory({ createdBy: () => line, vertex: null });
}

/** Adds an entry for a step whose layer is `state.vertex`. */
export function layerStep(
  state: StageState,
  buildkit: string,
  classic: (content: string) => string,
  shell: readonly string[] = shellOf(state),
): void {
  const { style } = state.context.options;
  const prefix = `${shell.join(" ")} #(nop) `;
  state.addHistory({
    createdBy: style === "buildkit" ? () => buildkit : (content) => prefix + classic(content),
    vertex: state.vertex,
  });
}
