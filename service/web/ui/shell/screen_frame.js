// One screen: loaded when it is first shown, with what is said meanwhile and what is said if it fails.
import { html, useEffect, useErrorBoundary, useState } from "../html.js";
import { announce } from "../notices.js";
import { Empty } from "../parts/empty.js";
import { loadScreen } from "../screens.js";

/** @param {{screen: import("../screens.js").Screen, route: import("../router.js").Route}} props */
export function ScreenFrame({ screen, route }) {
  const [component, setComponent] = useState(/** @type {{draw: any} | null} */ (null));
  const [isMissing, setMissing] = useState(false);
  const [error] = useErrorBoundary((caught) => console.error(caught));

  useEffect(() => {
    document.title = `${screen.title}${route.collection ? ` · ${route.collection}` : ""} · nearbit`;
    announce(`${screen.title}${route.collection ? ` of ${route.collection}` : ""}`);
    loadScreen(screen).then(
      (draw) => setComponent({ draw }),
      () => setMissing(true),
    );
  }, []);

  if (error) return html`<${Broken} title="This screen has a defect" text=${String(error)} />`;
  if (isMissing) return html`<${Broken} title="This screen could not be loaded" text="The page may be older than the service." />`;
  if (!component) return html`<p class="loading">Loading …</p>`;
  return html`<${component.draw} collection=${route.collection || ""} params=${route.params} />`;
}

/** @param {{title: string, text: string}} props */
function Broken({ title, text }) {
  return html`<${Empty} title=${title}>
    <p>${text}</p>
    <button type="button" class="primary" onClick=${() => location.reload()}>Load the page again</button>
  <//>`;
}
