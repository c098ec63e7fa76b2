"""Self-contained HTML: one frame, one stylesheet and one way to escape for everything that npmoji shows in a browser."""
