for (const growth of document.querySelectorAll(".growth")) {
  const items = [...growth.querySelectorAll("li[data-step]")];
  const steps = [...new Set(items.map(item => Number(item.dataset.step)))].sort((a, b) => a - b);
  if (steps.length < 2) continue;
  const label = document.createElement("label"), slider = document.createElement("input"), output = document.createElement("output");
  Object.assign(slider, {type: "range", min: 0, max: steps.length - 1, step: 1});
  slider.value = steps.length - 1;
  slider.setAttribute("aria-label", "Training step of " + growth.querySelector("h3").textContent.trim());
  const show = () => {
    const step = steps[slider.value];
    for (const list of growth.querySelectorAll("ol")) {
      const own = [...list.children], past = own.filter(item => Number(item.dataset.step) <= step);
      for (const item of own) item.hidden = item !== (past.at(-1) ?? own[0]);
    }
    output.textContent = "step " + step.toLocaleString("en");
    slider.setAttribute("aria-valuetext", output.textContent);
  };
  slider.addEventListener("input", show);
  label.append(slider, output);
  growth.append(label);
  for (const list of growth.querySelectorAll("ol")) list.removeAttribute("tabindex");
  growth.classList.add("live");
  show();
}
