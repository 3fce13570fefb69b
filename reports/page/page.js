"use strict";
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const plots = JSON.parse(document.getElementById("plots").textContent);
  const read = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function themed(layout) {
    const result = structuredClone(layout);
    Object.assign(result, {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: read("--sans"), size: 13, color: read("--text") },
      hoverlabel: { bgcolor: read("--panel"), font: { color: read("--text") } },
    });
    for (const name of result.annotations) {
      if (name.text) name.bgcolor = read("--page"); // a limit's name is read across bars, too
    }
    for (const key of Object.keys(result)) {
      if (/^[xy]axis/.test(key)) {
        result[key].title = { ...result[key].title, font: { size: 12 }, standoff: 8 };
        Object.assign(result[key], {
          gridcolor: read("--grid"),
          zerolinecolor: read("--line"),
          linecolor: read("--line"),
          automargin: true,
        });
      }
    }
    return result;
  }

  // On a narrow screen panels go one below another, and so do the names of a legend.
  function sized(plot) {
    if (window.innerWidth >= 560) return plot.layout;
    const layout = structuredClone(plot.layout);
    const panels = Object.keys(layout).filter((key) => key.startsWith("xaxis"));
    if (panels.length > 1) {
      panels.forEach((key, index) => {
        const top = 1 - index / panels.length;
        layout[key].domain = [0, 1];
        Object.assign(layout[key.replace("x", "y")], {
          domain: [top - 0.68 / panels.length, top],
          showticklabels: true,
          title: layout[key.replace("x", "y")].title ?? layout.yaxis.title,
        });
      });
      layout.annotations
        .filter((title) => title.xref === "paper")
        .forEach((title, index) => Object.assign(title, { x: 0.5, y: 1 - index / panels.length }));
      layout.height = 80 + Math.max(280, 0.8 * layout.height) * panels.length;
      layout.legend.y = 1 + 30 / layout.height;
    }
    const names = plot.data.filter((trace) => trace.showlegend).length;
    if (names > 5) layout.height += 24 * names;
    return layout;
  }

  function draw() {
    for (const [name, plot] of Object.entries(plots)) {
      Plotly.react(`plot-${name}`, plot.data, themed(sized(plot)), {
        displayModeBar: false,
        responsive: true,
      });
    }
  }

  // A plot that was drawn in a closed part of the page knows its width when that opens.
  function opened(event) {
    event.target.querySelectorAll(".js-plotly-plot").forEach((plot) => Plotly.Plots.resize(plot));
  }

  draw();
  document.addEventListener("toggle", opened, true);
  dark.addEventListener("change", draw);
})();
