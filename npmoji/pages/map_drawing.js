// The points of a map on a canvas: where they are, which is nearest, and how they look. `map.js` says when.

const GRID = 1e6; // coordinates are whole numbers up to this, y downwards
const MARGIN = 24; // pixels around the points
const LARGEST = 400; // zoom

class Drawing {
  // x, y: what is in the middle; zoom: 1 shows all; fit: pixels a unit then; ratio: of the screen's pixels to CSS's
  zoom = 1; x = 0; y = 0; fit = 1; width = 0; height = 0; ratio = 1;
  alone = -1; // the group that is shown alone
  matches = null; // Uint8Array: the texts that hold what is searched
  chosen = -1; // the text with a ring
  glyphs = false; // emojis instead of markers

  #data; #plot; #canvas; #context; #after; #box; #side; #cells; #pixels;
  #made = new Map(); // what is copied, and colours
  #asked = false;

  // `after` is called when a picture has been drawn
  constructor(data, plot, canvas, after) {
    [this.#data, this.#plot, this.#canvas, this.#after] = [data, plot, canvas, after];
    this.#context = canvas.getContext("2d");
    const range = (values) => values.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [GRID, 0]);
    const [[left, right], [top, bottom]] = [range(data.x), range(data.y)];
    this.#box = { left, right, top, bottom };
    const count = data.x.length;
    this.#side = Math.max(1, Math.ceil(Math.sqrt(count / 2)));
    this.#cells = Array.from({ length: this.#side ** 2 }, () => []);
    for (let i = 0; i < count; i++) this.#cell(i).push(i);
    this.home();
    this.resize();
  }

  // Places ----------------------------------------------------------------------------------------------------------

  get count() {
    return this.#data.x.length;
  }

  get scale() { // pixels a unit
    return this.fit * this.zoom;
  }

  place(i) { // of a text, in pixels
    const { x, y } = this.#data;
    return [(x[i] - this.x) * this.scale + this.width / 2, (y[i] - this.y) * this.scale + this.height / 2];
  }

  lit(i) { // whether it is among those that are meant
    return (this.alone < 0 || this.#data.group[i] === this.alone) && (!this.matches || this.matches[i] === 1);
  }

  #row(value) { // of the grid of cells; its columns are the same
    return Math.max(0, Math.min(this.#side - 1, Math.floor((value / (GRID + 1)) * this.#side)));
  }

  #cell(i) {
    return this.#cells[this.#row(this.#data.y[i]) * this.#side + this.#row(this.#data.x[i])];
  }

  // The text nearest to a place, if it is within so many pixels; else -1.
  nearest(px, py, pixels) {
    const x = (px - this.width / 2) / this.scale + this.x;
    const y = (py - this.height / 2) / this.scale + this.y;
    const reach = pixels / this.scale;
    let [best, least] = [-1, reach * reach];
    for (let row = this.#row(y - reach); row <= this.#row(y + reach); row++) {
      for (let column = this.#row(x - reach); column <= this.#row(x + reach); column++) {
        for (const i of this.#cells[row * this.#side + column]) {
          const distance = (this.#data.x[i] - x) ** 2 + (this.#data.y[i] - y) ** 2;
          if (distance <= least && this.lit(i)) [best, least] = [i, distance]; // the last one is drawn on top
        }
      }
    }
    return best;
  }

  stack(i) { // all texts at the place of this one
    const { x, y } = this.#data;
    return this.#cell(i).filter((j) => x[j] === x[i] && y[j] === y[i] && this.lit(j));
  }

  // Moving ----------------------------------------------------------------------------------------------------------

  home() {
    const { left, right, top, bottom } = this.#box;
    [this.zoom, this.x, this.y] = [1, (left + right) / 2, (top + bottom) / 2];
    this.redraw();
  }

  pan(dx, dy) { // by pixels, as far as there are points
    const { left, right, top, bottom } = this.#box;
    this.x = Math.max(left, Math.min(right, this.x - dx / this.scale));
    this.y = Math.max(top, Math.min(bottom, this.y - dy / this.scale));
    this.redraw();
  }

  zoomBy(factor, px = this.width / 2, py = this.height / 2) { // what is at px, py stays there
    const before = this.scale;
    this.zoom = Math.max(1, Math.min(LARGEST, this.zoom * factor));
    const moved = 1 - this.scale / before;
    this.pan((px - this.width / 2) * moved, (py - this.height / 2) * moved);
  }

  resize() {
    const { width, height } = this.#canvas.getBoundingClientRect();
    [this.width, this.height, this.ratio] = [width, height, Math.min(2, window.devicePixelRatio || 1)];
    this.#canvas.width = Math.round(width * this.ratio);
    this.#canvas.height = Math.round(height * this.ratio);
    this.#pixels = new Pixels(this.#canvas.width, this.#canvas.height);
    const { left, right, top, bottom } = this.#box;
    const [wide, high] = [Math.max(1, right - left), Math.max(1, bottom - top)];
    this.fit = Math.max(1e-9, Math.min((width - 2 * MARGIN) / wide, (height - 2 * MARGIN) / high));
    this.restyle();
  }

  restyle() { // colours or pixels are others now
    this.#made.clear();
    this.redraw();
  }

  // Drawing ---------------------------------------------------------------------------------------------------------

  redraw() { // before the screen's next picture, however often it is asked for
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#draw();
      this.#after();
    });
  }

  get radius() { // of a marker, in pixels
    const many = this.count > 2000 ? 3.5 : this.count > 200 ? 4.5 : 6;
    const least = this.width < 500 ? 0.8 * many : many;
    return Math.round(2 * Math.min(2.2 * least, least * this.zoom ** 0.25)) / 2;
  }

  #draw() {
    const { ratio, radius } = this;
    const context = this.#context;
    this.#pixels.clear(packed(...this.#colour("--card")));
    for (const bright of [false, true]) { // those that are meant are above the others
      const r = bright && this.matches ? 1.4 * radius : radius;
      const stamps = this.#stamps(r, bright ? 1 : 0.15);
      for (let i = 0; i < this.count; i++) {
        if (this.lit(i) === bright) this.#stamp(i, stamps);
      }
    }
    if (this.chosen >= 0) this.#stamp(this.chosen, this.#stamps(1.6 * radius, 1));
    this.#pixels.show(context);
    if (this.chosen >= 0) {
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.beginPath();
      context.arc(...this.place(this.chosen), (this.glyphs ? 3 : 2) * radius + 2, 0, 2 * Math.PI);
      context.lineWidth = 2;
      context.strokeStyle = getComputedStyle(this.#plot).color;
      context.stroke();
    }
  }

  #stamp(i, stamps) {
    const [x, y] = this.place(i);
    if (x < -40 || y < -40 || x > this.width + 40 || y > this.height + 40) return;
    const kind = this.glyphs ? (this.#data.top[i][0] ?? -1) : this.#data.group[i];
    this.#pixels.stamp(stamps[kind], x * this.ratio, y * this.ratio);
  }

  // What is copied, made once -----------------------------------------------------------------------------------------

  #kept(key, make) {
    if (!this.#made.has(key)) this.#made.set(key, make());
    return this.#made.get(key);
  }

  #colour(name) { // a custom property, as [red, green, blue]
    return this.#kept(name, () => {
      this.#context.fillStyle = getComputedStyle(this.#plot).getPropertyValue(name).trim();
      return [1, 3, 5].map((start) => parseInt(this.#context.fillStyle.slice(start, start + 2), 16)); // of #rrggbb
    });
  }

  #stamps(r, opacity) { // of the groups by number, or of the emojis by class
    return this.#kept(`${this.glyphs} ${r} ${opacity}`, () => {
      if (!this.glyphs) return this.#data.groups.map(({ rank }) => this.#marker(rank, r, opacity));
      const size = 3.4 * r * this.ratio;
      const { color } = getComputedStyle(this.#plot);
      const all = [["-1", ["·"]], ...Object.entries(this.#data.classes)];
      return Object.fromEntries(all.map(([id, [symbol]]) => [id, glyph(symbol, size, color, opacity)]));
    });
  }

  #marker(rank, r, opacity) {
    const fill = this.#colour(rank < 0 ? "--g-other" : `--g-${rank}`);
    return marker(rank, r * this.ratio, this.ratio / 2, fill, this.#colour("--card"), opacity);
  }
}
