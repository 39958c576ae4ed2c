// The frame of every screen: header, notices, the screen itself, and the live region for screen readers.
import { useCall } from "../calls.js";
import { catalog } from "../catalog.js";
import { html, useEffect } from "../html.js";
import { useStore } from "../store.js";
import { notices } from "../notices.js";
import { go, href, routeOf, useRoute } from "../router.js";
import { SCREENS } from "../screens.js";
import { Header } from "./header.js";
import { NoticeBar } from "./notice_bar.js";
import { ScreenFrame } from "./screen_frame.js";

const LAST = "nearbit.collection";
const MOST_COLLECTIONS = 1_000;

export function Shell() {
  const route = useRoute();
  const again = useStore(catalog).generation;
  const collections = useCall({ path: "/v1/collections", params: { limit: MOST_COLLECTIONS } }, { again });
  /** @type {string[]} */
  const names = (collections.data?.items || []).map((/** @type {{name: string}} */ one) => one.name);
  const screen = SCREENS.find((one) => one.id === route.screen);
  const isPlaced = screen !== undefined && (screen.of === "service" || route.collection !== null);
  const last = sessionStorage.getItem(LAST) || "";
  const current = route.collection || (names.includes(last) ? last : names[0] || "");

  useEffect(() => {
    if (route.collection) sessionStorage.setItem(LAST, route.collection);
  }, [route.collection]);

  useEffect(() => {
    const hasMoved = routeOf(location.hash).screen !== route.screen; // since this was drawn
    if (isPlaced || hasMoved || collections.data === null) return;
    const wanted = screen?.of === "collection" ? screen.id : "search";
    go(current ? href(current, wanted, route.params) : href(null, "collections"), { replace: true });
  }, [isPlaced, collections.data, current]);

  return html`
    <a class="skip" href="#main" onClick=${focusMain}>Skip to the content</a>
    <div class="above">
      <${Header} names=${names} current=${current} screen=${screen} />
      <${NoticeBar} />
    </div>
    <main id="main" tabindex="-1">
      ${isPlaced && html`<${ScreenFrame} key=${`${screen.id} ${route.collection}`} screen=${screen} route=${route} />`}
    </main>
    <${LiveRegion} />
  `;
}

/** @param {Event} event */
function focusMain(event) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function LiveRegion() {
  const { spoken } = useStore(notices);
  return html`<div class="spoken" role="status" aria-live="polite">${spoken}</div>`;
}
