// Where the page starts.
import { watchConnection } from "./connection.js";
import { html, render } from "./html.js";
import { Shell } from "./shell/shell.js";
import { applyTheme } from "./theme.js";

applyTheme();
watchConnection();
const root = /** @type {HTMLElement} */ (document.getElementById("app"));
root.replaceChildren();
render(html`<${Shell} />`, root);
