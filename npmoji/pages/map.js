// What the reader of a map does: pointing, moving, keys, legend, search. Texts get into the page as textContent only.
(() => {
  const at = (id) => document.getElementById(id);
  const data = JSON.parse(at("map-data").textContent);
  const [plot, canvas, tip, cross] = [at("plot"), at("canvas"), at("tip"), at("cross")];
  for (const id of ["plot", "controls", "keys"]) at(id).hidden = false;
  const shown = new Drawing(data, plot, canvas, () => {
    placeTip();
    at("zoom").textContent = `${shown.zoom.toFixed(1)}×`;
  });
  const number = (value) => value.toLocaleString("en");

  // The text that is shown ------------------------------------------------------------------------------------------

  function described(i) { // [kind, text, emoji], one for each line
    const lines = [["text", data.text[i] || "(an empty text)"]];
    if (data.labels) lines.push(["label", `${data.label}: ${data.labels[data.labelled[i]] || "none"}`]);
    const top = data.top ? data.top[i] : [];
    for (let n = 0; n < top.length; n += 2) {
      const [symbol, name] = data.classes[top[n]];
      lines.push(["class", `${name} ${(top[n + 1] / 10).toFixed(1)} %`, symbol]);
    }
    const others = shown.stack(i).length - 1;
    if (others > 0) lines.push(["more", `and ${number(others)} more at this point`]);
    return lines;
  }

  let pinned = false; // by a tap or key: it stays until something else is chosen
  let speaking = 0;
  function choose(i, pin = false) {
    pinned = pin && i >= 0;
    if (i === shown.chosen) return;
    shown.chosen = i;
    const lines = i < 0 ? [] : described(i);
    tip.replaceChildren(
      ...lines.map(([kind, text, symbol]) => {
        const line = document.createElement("div");
        line.className = `tip-${kind}`;
        line.dir = "auto";
        line.textContent = symbol ? `${symbol} ${text}` : text;
        return line;
      }),
    );
    tip.hidden = i < 0;
    clearTimeout(speaking); // not for each text that a mouse passes
    speaking = setTimeout(() => (at("live").textContent = lines.map(([, text]) => text).join("; ")), 300);
    shown.redraw();
  }

  function placeTip() {
    if (shown.chosen < 0) return;
    const [x, y] = shown.place(shown.chosen);
    const [gap, width, height] = [14, tip.offsetWidth, tip.offsetHeight];
    const left = x + gap + width > shown.width ? x - gap - width : x + gap;
    const top = y + gap + height > shown.height ? y - gap - height : y + gap;
    tip.style.left = `${Math.max(4, Math.min(left, shown.width - width - 4))}px`;
    tip.style.top = `${Math.max(4, Math.min(top, shown.height - height - 4))}px`;
  }

  // Pointers --------------------------------------------------------------------------------------------------------

  const place = (event) => {
    const bounds = canvas.getBoundingClientRect();
    return [event.clientX - bounds.left, event.clientY - bounds.top];
  };
  const reach = (event) => Math.max(shown.radius + 4, event.pointerType === "touch" ? 22 : 10);
  const pressed = new Map(); // the pointers that are down, and where
  let travelled = 0; // pixels, since the first was put down
  const STILL = 4; // pixels: less is no drag

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 30 : event.ctrlKey ? 5 : 1; // lines; what a pinch on a trackpad becomes
    shown.zoomBy(2 ** (-Math.max(-240, Math.min(240, event.deltaY * unit)) / 200), ...place(event));
  }, { passive: false });

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    if (!pressed.size) travelled = 0;
    pressed.set(event.pointerId, place(event));
    canvas.classList.add("moving");
    cross.hidden = true;
  });

  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    if (!pressed.has(event.pointerId)) {
      if (!pinned && event.pointerType !== "touch") choose(shown.nearest(x, y, reach(event)));
      return;
    }
    const [lastX, lastY] = pressed.get(event.pointerId);
    const [dx, dy] = [x - lastX, y - lastY];
    travelled += Math.hypot(dx, dy);
    const other = [...pressed.keys()].find((id) => id !== event.pointerId);
    if (other !== undefined) { // two fingers: what is between them follows them
      const [fixedX, fixedY] = pressed.get(other);
      const spread = (px, py) => Math.max(1, Math.hypot(px - fixedX, py - fixedY));
      shown.pan(dx / 2, dy / 2);
      shown.zoomBy(spread(x, y) / spread(lastX, lastY), (x + fixedX) / 2, (y + fixedY) / 2);
    } else if (travelled > STILL) {
      shown.pan(dx, dy);
    }
    pressed.set(event.pointerId, [x, y]);
  });

  function lifted(event) {
    if (!pressed.delete(event.pointerId) || pressed.size) return;
    canvas.classList.remove("moving");
    if (event.type === "pointerup" && travelled <= STILL) tapped(event);
  }
  canvas.addEventListener("pointerup", lifted);
  canvas.addEventListener("pointercancel", lifted);
  canvas.addEventListener("pointerleave", () => !pinned && !pressed.size && choose(-1));
  canvas.addEventListener("dblclick", (event) => shown.zoomBy(2, ...place(event)));

  function tapped(event) { // once more at the same place: the next text of those there
    const found = shown.nearest(...place(event), reach(event));
    const here = found < 0 ? [] : shown.stack(found);
    const next = pinned && here.includes(shown.chosen) ? here[(here.indexOf(shown.chosen) + 1) % here.length] : found;
    choose(next, true);
  }

  // Keys and buttons --------------------------------------------------------------------------------------------------

  const STEP = 60; // pixels
  const [nearer, farther, all] = [() => shown.zoomBy(1.5), () => shown.zoomBy(1 / 1.5), () => shown.home()];
  const KEYS = {
    "+": nearer, "=": nearer, "-": farther, "_": farther, "0": all,
    ArrowLeft: () => shown.pan(STEP, 0), ArrowRight: () => shown.pan(-STEP, 0),
    ArrowUp: () => shown.pan(0, STEP), ArrowDown: () => shown.pan(0, -STEP),
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      cross.hidden = true;
      choose(-1);
    } else if (Object.hasOwn(KEYS, event.key)) {
      event.preventDefault();
      KEYS[event.key]();
      cross.hidden = false;
      choose(shown.nearest(shown.width / 2, shown.height / 2, Math.hypot(shown.width, shown.height) / 4), true);
    }
  });
  canvas.addEventListener("blur", () => (cross.hidden = true));
  for (const [id, move] of [["in", nearer], ["out", farther], ["reset", all]]) at(id).addEventListener("click", move);

  // Legend and search -------------------------------------------------------------------------------------------------

  const rows = [...document.querySelectorAll("#legend tbody tr")];
  const buttons = rows.map((row, group) => {
    const name = row.querySelector("th");
    const button = document.createElement("button");
    button.type = "button";
    button.append(...name.childNodes);
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => showAlone(group === shown.alone ? -1 : group));
    name.append(button);
    return button;
  });

  function showAlone(group) {
    shown.alone = group;
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === group)));
    rows.forEach((row, i) => row.classList.toggle("faint", group >= 0 && i !== group));
    changed();
  }

  let lower = null;
  function search() {
    const wanted = at("search").value.toLowerCase();
    if (wanted) lower ??= data.text.map((text) => text.toLowerCase());
    shown.matches = wanted ? Uint8Array.from(lower, (text) => Number(text.includes(wanted))) : null;
    changed();
  }

  function changed() { // which texts are meant
    if (shown.chosen >= 0 && !shown.lit(shown.chosen)) choose(-1);
    let count = 0;
    for (let i = 0; i < shown.count; i++) count += Number(shown.lit(i));
    const of = count < shown.count ? `${number(count)} of ` : "";
    at("found").textContent = `${of}${number(shown.count)} texts`;
    shown.redraw();
  }

  const emojis = Boolean(data.top) && Object.values(data.classes).some(([symbol]) => symbol) && readable();
  function drawEmojis() {
    shown.glyphs = emojis && at("glyphs").checked;
    shown.redraw();
  }

  at("glyphs-choice").hidden = !emojis;
  at("glyphs").addEventListener("change", drawEmojis);
  at("search").addEventListener("input", search);
  new ResizeObserver(() => shown.resize()).observe(canvas);
  addEventListener("resize", () => shown.resize()); // also when the page is zoomed
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shown.restyle());
  drawEmojis(); // what the fields of a reloaded page still hold
  search();
})();
