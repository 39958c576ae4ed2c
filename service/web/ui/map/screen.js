// The map: every document a point, near where its code is near; colors, search and choices on it.
import { collectionPath } from "../api.js";
import { useCall } from "../calls.js";
import { html, useEffect, useState } from "../html.js";
import { Empty } from "../parts/empty.js";
import { ProblemNote } from "../parts/problem_note.js";
import { href } from "../router.js";
import { useMap } from "./use_map.js";
import { Workspace } from "./workspace.js";

const LOOK_EVERY_MS = 10_000;

/** @type {import("../screens.js").ScreenComponent} */
export default function MapScreen({ collection, params }) {
  const [generation, setGeneration] = useState(0);
  const about = useCall({ path: collectionPath(collection) }, { everyMs: LOOK_EVERY_MS });
  const space = params.get("space") ?? "";
  const loaded = useMap(collection, space, generation);
  const { map, problem } = loaded;
  const version = about.data?.space?.version;

  // Another code space answers: its map, to which the points move from where they are.
  useEffect(() => {
    if (!space && map && version && version !== map.version) setGeneration((n) => n + 1);
  }, [version]);
  // The first sketch of a space; the map proper comes when the trainer has made it.
  useEffect(() => {
    if (map?.method !== "pca") return undefined;
    const timer = setInterval(() => document.visibilityState === "visible" && setGeneration((n) => n + 1), LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }, [map]);

  const heading = html`<h1 class="spoken">Map of ${collection}</h1>`;
  if (problem) return html`${heading}<${ProblemNote} problem=${problem} />`;
  if (!map) return html`${heading}<p class="loading">Loading the map …</p>`;
  if (map.numbers.length === 0) {
    return html`${heading}<${Empty} title="Nothing to show yet">
      <p>As soon as ${collection} has documents, they are points of a map, and those with like codes lie together.</p>
      <a class="button primary" href=${href(collection, "documents")}>Add documents</a>
    <//>`;
  }
  const n_more = about.data ? about.data.n_documents - map.numbers.length - map.n_missing : 0;
  return html`<${Workspace} collection=${collection} params=${params} loaded=${loaded} n_more=${n_more} onReload=${() => setGeneration((n) => n + 1)} />`;
}
