"use strict";
// Markers and emojis copied into a picture's pixels: several times as fast as a canvas copies images where there is no
// GPU.
// A pixel is a number: red in the lowest byte, then green, blue and how opaque it is.

// Whether a point is in the marker of this rank: circle, square, triangle, diamond. `SHAPES` in map_page.py is the same.
const INSIDE = [
  (x, y) => x * x + y * y <= 0.81,
  (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.8,
  (x, y) => y <= 0.85 && Math.abs(x) <= (1.15 / 1.95) * (y + 1.1),
  (x, y) => Math.abs(x) + Math.abs(y) <= 1.15,
];
const FINE = 4; // rows and columns of points in a pixel that are looked at

// What is copied is square: `size` pixels wide and high.

// A marker with an edge around it. Colours are [red, green, blue], `r` and `edge` are in pixels, `opacity` up to 1.
function marker(rank, r, edge, fill, around, opacity) {
  const inside = INSIDE[Math.max(0, rank) % INSIDE.length];
  const size = 2 * Math.ceil(1.2 * r + edge) + 1;
  const pixels = new Uint32Array(size * size);
  for (let place = 0; place < pixels.length; place++) {
    let [inner, outer] = [0, 0];
    for (let n = 0; n < FINE * FINE; n++) {
      const x = (place % size) - size / 2 + ((n % FINE) + 0.5) / FINE;
      const y = Math.floor(place / size) - size / 2 + (Math.floor(n / FINE) + 0.5) / FINE;
      inner += Number(inside(x / r, y / r));
      outer += Number(inside(x / (r + edge), y / (r + edge)));
    }
    const part = inner / Math.max(1, outer);
    const [red, green, blue] = fill.map((value, i) => Math.round(part * value + (1 - part) * around[i]));
    pixels[place] = packed(red, green, blue, Math.round((255 * opacity * outer) / FINE ** 2));
  }
  return { size, pixels };
}

// An emoji of `size` pixels; `colour` is that of a symbol without colours.
function glyph(symbol, size, colour, opacity) {
  const side = Math.ceil(1.4 * size);
  const pen = drawn(side);
  pen.font = `${size}px "Apple Color Emoji", "Segoe UI Emoji", "Noto Color Emoji", sans-serif`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillStyle = colour;
  pen.fillText(symbol, side / 2, side / 2);
  const pixels = new Uint32Array(pen.getImageData(0, 0, side, side).data.buffer);
  for (let i = 0; i < pixels.length; i++) {
    pixels[i] = (pixels[i] & 0xffffff) | (Math.round(opacity * (pixels[i] >>> 24)) << 24);
  }
  return { size: side, pixels };
}

// Whether what is drawn can be read: some browsers give noise instead, so that nobody is recognised by it.
function readable() {
  const pen = drawn(8);
  pen.fillStyle = "#123456";
  pen.fillRect(0, 0, 8, 8);
  return new Uint32Array(pen.getImageData(0, 0, 8, 8).data.buffer).every((pixel) => pixel === packed(0x12, 0x34, 0x56));
}

function drawn(side) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  return canvas.getContext("2d", { willReadFrequently: true });
}

function packed(red, green, blue, alpha = 255) {
  return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

class Pixels {
  #image; #buffer;

  constructor(width, height) {
    this.#image = new ImageData(Math.max(1, width), Math.max(1, height));
    this.#buffer = new Uint32Array(this.#image.data.buffer);
  }

  clear(colour) {
    this.#buffer.fill(colour);
  }

  stamp({ size, pixels }, x, y) { // with its middle there
    const { width, height } = this.#image;
    const buffer = this.#buffer;
    const [left, top] = [Math.round(x - size / 2), Math.round(y - size / 2)];
    const [first, end] = [Math.max(0, -left), Math.min(size, width - left)];
    for (let row = Math.max(0, -top); row < Math.min(size, height - top); row++) {
      let from = row * size + first;
      let to = (top + row) * width + left + first;
      for (let column = first; column < end; column++, from++, to++) {
        const over = pixels[from];
        const alpha = over >>> 24;
        if (alpha === 255) {
          buffer[to] = over;
        } else if (alpha) { // red and blue at once, and green between them
          const [under, rest] = [buffer[to], 256 - alpha];
          const redBlue = (((over & 0xff00ff) * alpha + (under & 0xff00ff) * rest) >>> 8) & 0xff00ff;
          const green = (((over & 0x00ff00) * alpha + (under & 0x00ff00) * rest) >>> 8) & 0x00ff00;
          buffer[to] = 0xff000000 | redBlue | green;
        }
      }
    }
  }

  show(context) {
    context.putImageData(this.#image, 0, 0);
  }
}
