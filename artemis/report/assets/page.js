"use strict";
// Enhances a page that is complete without it: sorting, filtering, copying, unfolding for print.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const words = new Intl.Collator("en-GB", { numeric: true, sensitivity: "base" });

  // The value of a cell: its category's order, a percentage or count, or its words.
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return "";
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    const text = cell.textContent.trim();
    if (!cell.classList.contains("n")) return text;
    const beyond = /^([<>])(\d+)%$/.exec(text); // more than, or less than, what is printed
    if (beyond) return Number(beyond[2]) + (beyond[1] === ">" ? 0.5 : -0.5);
    const number = parseFloat(text.replace(/,/g, ""));
    return Number.isNaN(number) ? "" : number;
  };
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === ""); // what has no value comes last
    return typeof a === "number" && typeof b === "number" ? a - b : words.compare(a, b);
  };

  const sortable = (table) => {
    const body = table.tBodies[0];
    const original = [...body.rows];
    for (const head of all("th[data-col]", table)) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
        const order = next === undefined ? "ascending" : next;
        for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
        if (order === null) return body.append(...original);
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const keyed = original.map((row) => [valueOf(row, Number(head.dataset.col)), row]);
        keyed.sort(([a], [b]) => (a === "" || b === "" ? compare(a, b) : sign * compare(a, b)));
        body.append(...keyed.map(([, row]) => row));
      });
    }
  };

  // Each model has two columns, answer and confidence, from `first` on.
  const answersOf = (row, first) =>
    all("td[data-v]", row).map((cell) => ({
      model: (cell.cellIndex - first) / 2,
      tumor: Math.floor(Number(cell.dataset.v) / 3),
      plane: Number(cell.dataset.v) % 3,
      confidence: valueOf(row, cell.cellIndex + 1),
    }));

  const filterable = (form) => {
    const table = document.getElementById(form.dataset.for);
    let read = null; // the rows are read when somebody first filters, not while the page opens
    const rows = () => (read ??= [...table.tBodies[0].rows].map((row) => ({
      row, answers: answersOf(row, Number(table.dataset.answers)),
      text: row.textContent.toLowerCase(), states: row.dataset.s.split(" "),
      codes: (row.dataset.r ?? "").split(" "),
    })));
    const fields = Object.fromEntries(all("[data-f]", form).map((field) => [field.dataset.f, field]));
    const output = form.querySelector("output");
    const wanted = (name) => (fields[name] ? fields[name].value.trim() : "");

    const tell = (shown) => {
      const [some, every] = [shown, table.tBodies[0].rows.length].map((n) => n.toLocaleString("en-GB"));
      output.textContent = some === every ? `${every} rows` : `${some} of ${every} rows`;
    };
    const apply = () => {
      const texts = wanted("text").toLowerCase().split(/\s+/).filter(Boolean);
      const { model, tumor, plane, confidence, status, reason } = Object.fromEntries(
        ["model", "tumor", "plane", "confidence", "status", "reason"].map((name) => [name, wanted(name)]));
      const asked = [model, tumor, plane, confidence].some((value) => value !== "");
      const answers = (one) => (model === "" || one.model === Number(model))
        && (tumor === "" || one.tumor === Number(tumor)) && (plane === "" || one.plane === Number(plane))
        && (confidence === "" || one.confidence <= Number(confidence));
      let shown = 0;
      for (const entry of rows()) {
        const fits = texts.every((text) => entry.text.includes(text))
          && (status === "" || entry.states.includes(status))
          && (reason === "" || entry.codes.includes(reason)) && (!asked || entry.answers.some(answers));
        entry.row.hidden = !fits;
        shown += fits;
      }
      tell(shown);
    };
    const reset = () => {
      for (const field of Object.values(fields)) if (field.tagName !== "BUTTON") field.value = "";
      apply();
    };
    // A link to a row that the filter hides shows it again.
    const reveal = () => {
      const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (target && target.hidden) { reset(); target.scrollIntoView(); }
    };

    let timer = 0;
    form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(apply, 60); });
    fields.reset.addEventListener("click", reset);
    addEventListener("hashchange", reveal);
    form.hidden = false;
    // A browser that goes back restores what was typed.
    if (Object.values(fields).some((field) => field.tagName !== "BUTTON" && field.value)) apply();
    else tell(table.tBodies[0].rows.length);
  };

  const copyable = (block) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      const code = block.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code); // no clipboard here: select it, to copy by hand
      }
    });
    block.append(button);
  };

  all("table[data-sort]").forEach(sortable);
  all(".filter").forEach(filterable);
  all("pre[data-copy]").forEach(copyable);
  addEventListener("beforeprint", () => all("details").forEach((one) => { one.open = true; }));
})();
