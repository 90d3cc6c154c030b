/** Finds or fetches a model's file, showing progress on stderr. Loads nothing native, so set-up can use it before a build. */
import { formatBytes, startProgress } from "../../scripts/setup/progress.mjs";
import { defaultModelRef, resolveModel } from "../engine/model-store/index.ts";
import { remark } from "./output.ts";

/** The path of the model's file; a fetch shows its progress on stderr. */
export async function fetchModelWithProgress(ref: string = defaultModelRef()): Promise<string> {
  let bar: ReturnType<typeof startProgress> | undefined;
  let phase = "";
  try {
    return await resolveModel(ref, {
      onProgress: (progress) => {
        if (progress.phase === "wait") {
          remark("diecast another process is fetching the model; waiting for it");
          return;
        }
        if (progress.phase !== phase) {
          void bar?.then((previous) => previous.stop());
          phase = progress.phase;
          const labels = {
            download: "fetching the model",
            unpack: "unpacking the model",
            verify: "verifying the model",
          };
          if (phase === "download") remark(`diecast fetching the model ${ref}`);
          bar = startProgress(labels[progress.phase], formatBytes);
        }
        void bar?.then((current) => current.update(progress.done, progress.total));
      },
    });
  } finally {
    (await bar)?.stop();
  }
}
