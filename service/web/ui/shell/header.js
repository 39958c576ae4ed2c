// The header: name, collection, tabs, theme, and whether the service answers.
import { connection } from "../connection.js";
import { html, useEffect, useRef } from "../html.js";
import { go, href, useRoute } from "../router.js";
import { SCREENS } from "../screens.js";
import { useStore } from "../store.js";
import { nextTheme, theme } from "../theme.js";

const THEME_NAMES = { system: "Theme: system", light: "Theme: light", dark: "Theme: dark" };
const THEME_SIGNS = { system: "◐", light: "☀", dark: "☾" };

/** @param {{names: string[], current: string, screen: import("../screens.js").Screen | undefined}} props */
export function Header({ names, current, screen }) {
  return html`
    <header class="top">
      <div class="top-row">
        <a class="brand" href="#/"><${Mark} />nearbit</a>
        ${names.length > 0 && html`<${Switcher} names=${names} current=${current} screen=${screen} />`}
        <span class="space"></span>
        <${Health} />
        <${ThemeButton} />
      </div>
      <${Tabs} current=${current} />
    </header>
  `;
}

function Mark() {
  const bits = [1, 0, 0, 1, 1, 1, 0, 1, 1];
  return html`<svg class="mark" viewBox="0 0 11 11" aria-hidden="true">
    ${bits.map(
      (bit, n) => html`<rect x=${(n % 3) * 4} y=${Math.floor(n / 3) * 4} width="3" height="3" class=${bit ? "one" : "zero"} />`,
    )}
  </svg>`;
}

/** @param {{names: string[], current: string, screen: import("../screens.js").Screen | undefined}} props */
function Switcher({ names, current, screen }) {
  const target = screen?.of === "collection" ? screen.id : "search";
  const shown = names.includes(current) || !current ? names : [current, ...names];
  return html`<label class="switcher">
    <span class="spoken">Collection</span>
    <select value=${current} onChange=${(/** @type {any} */ event) => go(href(event.target.value, target))}>
      ${shown.map((name) => html`<option value=${name} selected=${name === current}>${name}</option>`)}
    </select>
  </label>`;
}

/** @param {{current: string}} props */
function Tabs({ current }) {
  const route = useRoute();
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    element.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [route.screen, current]);
  const shown = SCREENS.filter((screen) => screen.of === "service" || current);
  return html`<nav ref=${element} class="tabs" aria-label="Screens">
    ${shown.map((screen, n) => {
      const isHere = screen.id === route.screen;
      const begins = n > 0 && screen.of !== shown[n - 1].of;
      return html`<a
        class=${begins ? "begins" : ""}
        href=${href(screen.of === "service" ? null : current, screen.id)}
        aria-current=${isHere ? "page" : undefined}
        >${screen.title}</a
      >`;
    })}
  </nav>`;
}

function Health() {
  const { state } = useStore(connection);
  const text = { ok: "connected", lost: "no answer", "not ready": "not ready" }[state];
  return html`<span class=${`health health-${state === "ok" ? "ok" : "bad"}`}>
    <span class="dot" aria-hidden="true"></span><span class="health-text">${text}</span>
  </span>`;
}

function ThemeButton() {
  const chosen = useStore(theme).theme;
  const name = THEME_NAMES[chosen];
  return html`<button class="quiet icon" type="button" title=${name} aria-label=${name} onClick=${nextTheme}>
    <span aria-hidden="true">${THEME_SIGNS[chosen]}</span>
  </button>`;
}
