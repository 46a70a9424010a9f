// Figures are drawn when they come into view; the library, packed in the page, is unpacked for the first of them.
const plotly = (() => {
  let loading;
  const load = async () => {
    const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent.trim()), sign => sign.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    return window.Plotly;
  };
  return () => loading ??= load();
})();

function whenSeen(element, draw) {
  const observer = new IntersectionObserver(entries => {
    if (!entries.some(entry => entry.isIntersecting)) return;
    observer.disconnect();
    draw();
  }, {rootMargin: "300px"});
  observer.observe(element);
}

function readData(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

const darkScheme = matchMedia("(prefers-color-scheme: dark)");

function look() {
  const style = getComputedStyle(document.documentElement), colour = name => style.getPropertyValue("--" + name).trim();
  return {ink: colour("ink"), soft: colour("soft"), line: colour("line"), card: colour("card"), family: colour("sans")};
}
