// Stretch the time of all pictures, and keep what is in the middle there.
(() => {
  const bar = document.querySelector(".zoom");
  const views = [...document.querySelectorAll(".time")];
  let zoom = 1;
  const place = (view, middle) => { view.scrollLeft = middle * view.scrollWidth - view.clientWidth / 2; };
  bar.hidden = false;
  bar.addEventListener("click", (event) => {
    const factor = event.target.dataset.zoom;
    if (factor === undefined) return;
    const [first] = views;
    const middle = (first.scrollLeft + first.clientWidth / 2) / first.scrollWidth;
    zoom = Math.min(64, Math.max(1, Number(factor) * zoom));
    document.documentElement.style.setProperty("--zoom", zoom);
    bar.querySelector("output").textContent = zoom === 1 ? "1 time" : `${zoom} times`;
    views.forEach((view) => place(view, middle));
  });
  views.forEach((view) => view.addEventListener("scroll", () => {
    views.forEach((other) => { if (other.scrollLeft !== view.scrollLeft) other.scrollLeft = view.scrollLeft; });
  }));
})();
