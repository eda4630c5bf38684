"use strict";
// Enhances a page that is complete without it: sorting, filtering, copying, unfolding for print.
const lists = new Map(); // by table, for the other scripts of the page
const count = (many) => many.toLocaleString("en-GB");
const counted = (many, one) => `${count(many)} ${one}${many === 1 ? "" : "s"}`;
const buttonOf = (style, words, act) => {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: style, textContent: words });
  button.addEventListener("click", act);
  return button;
};
// A cell of a CSV, and the text of one: no spreadsheet takes it for a formula (artemis/system/formulas.py).
const FORMULA = /^'*[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/;
const cellOf = (text) => {
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};
const download = (name, csv) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
};
const textOf = (cell) => (cell.startsWith("'") && FORMULA.test(cell) ? cell.slice(1) : cell);
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const words = new Intl.Collator("en-GB", { numeric: true, sensitivity: "base" });

  // The value of a cell: its category's order, a percentage or count, or its words.
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return "";
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    const text = cell.textContent.trim();
    if (text === "–") return ""; // no answer
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

  // The rows of a table. Of a long one the browser lays out the first few hundred, also of what a
  // filter leaves; the rest wait in <noscript>, which is text until it is read here while the page
  // is idle. Rows that stay where they are are not touched, since each costs style and layout.
  // Paper has no button: it gets up to a thousand rows, and then the screen is as it was.
  const [FIRST, PRINTED] = [250, 1000];
  const put = (body, rows) => {
    const staying = new Set(rows);
    for (const row of [...body.rows]) if (!staying.has(row)) row.remove();
    let at = body.rows[0] ?? null;
    for (const row of rows) {
      if (row === at) at = at.nextElementSibling;
      else body.insertBefore(row, at);
    }
  };
  const idle = () => new Promise((go) => { (window.requestIdleCallback ?? setTimeout)(go); });
  const listOf = (table) => {
    const body = table.tBodies[0];
    const beside = all(`noscript[data-rows="${table.id}"]`);
    const list = { rows: [...body.rows], order: null, fits: null, limit: Infinity };
    const rest = table.dataset.all ? ` All are in ${table.dataset.all}.` : "";
    const note = document.createElement("p");
    const more = buttonOf("more", "", () => { list.limit += 500; list.draw(); });
    note.className = "note";
    list.shown = () => (list.order ?? list.rows).filter((row) => !list.fits || list.fits(row));
    list.draw = () => {
      const shown = list.shown();
      put(body, shown.slice(0, list.limit));
      const left = shown.length - list.limit;
      note.hidden = left <= 0;
      note.replaceChildren(`Shown: the first ${count(list.limit)} of ${counted(shown.length, "row")}.${rest} `, more);
      more.textContent = `Show ${Math.min(500, left)} more`;
      return shown.length;
    };
    list.redraw = () => { // what is asked for anew begins short again
      if (beside.length) list.limit = FIRST;
      return list.draw();
    };
    list.reveal = (row) => {
      if (row.isConnected) return;
      if (!list.shown().includes(row)) list.reset?.();
      list.limit = Math.max(list.limit, 100 + list.shown().indexOf(row));
      list.draw();
    };
    const read = (text) => {
      if (!text.isConnected) return;
      const box = document.createElement("template");
      box.innerHTML = text.textContent; // our own rows, escaped when the page was made
      list.rows.push(...box.content.querySelectorAll("tbody > tr"));
      text.remove();
    };
    const whole = () => {
      if (!beside.length || note.isConnected) return;
      list.limit = Math.max(FIRST, body.rows.length);
      (table.closest(".scroll") ?? table).after(note);
      list.changed?.();
      list.draw();
    };
    list.ready = (async () => {
      for (const text of beside) { await idle(); read(text); }
      whole();
    })();
    if (beside.length) {
      let onScreen = null;
      addEventListener("beforeprint", () => {
        beside.forEach(read);
        whole();
        onScreen = list.limit;
        list.limit = Math.max(PRINTED, list.limit);
        list.draw();
      });
      addEventListener("afterprint", () => { list.limit = onScreen; list.draw(); });
    }
    return list;
  };

  const sortable = (table) => {
    const list = lists.get(table);
    for (const head of all("th[data-col]", table)) {
      const button = buttonOf("", "", async () => {
        const next = { ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
        const order = next === undefined ? "ascending" : next;
        for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
        if (order !== null) head.setAttribute("aria-sort", order);
        await list.ready; // what is not read yet would be left out; the last click is the last to go on
        list.order = null;
        if (order !== null) {
          const sign = order === "ascending" ? 1 : -1;
          const keyed = list.rows.map((row) => [valueOf(row, Number(head.dataset.col)), row]);
          keyed.sort(([a], [b]) => (a === "" || b === "" ? compare(a, b) : sign * compare(a, b)));
          list.order = keyed.map(([, row]) => row);
        }
        list.redraw();
      });
      button.append(...head.childNodes);
      head.append(button);
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
    const list = lists.get(table);
    const first = Number(table.dataset.answers);
    const read = new Map(); // a row is read when somebody first filters, not while the page opens
    const entryOf = (row) => {
      if (!read.has(row)) {
        read.set(row, { answers: answersOf(row, first), text: row.textContent.toLowerCase(),
          states: row.dataset.s.split(" "), codes: (row.dataset.r ?? "").split(" ") });
      }
      return read.get(row);
    };
    const fields = Object.fromEntries(all("[data-f]", form).map((field) => [field.dataset.f, field]));
    const output = form.querySelector("output");
    const wanted = (name) => (fields[name] ? fields[name].value.trim() : "");

    const tell = (shown) => {
      const every = list.rows.length;
      output.textContent = `${shown === every ? "" : `${count(shown)} of `}${counted(every, "row")}`;
    };
    const apply = () => {
      const texts = wanted("text").toLowerCase().split(/\s+/).filter(Boolean);
      const { model, tumor, plane, confidence, status, reason } = Object.fromEntries(
        ["model", "tumor", "plane", "confidence", "status", "reason"].map((name) => [name, wanted(name)]));
      const asked = [model, tumor, plane, confidence].some((value) => value !== "");
      const answers = (one) => (model === "" || one.model === Number(model))
        && (tumor === "" || one.tumor === Number(tumor)) && (plane === "" || one.plane === Number(plane))
        && (confidence === "" || (one.confidence !== "" && one.confidence <= Number(confidence)));
      const idle = !texts.length && !asked && status === "" && reason === "";
      list.fits = idle ? null : (row) => {
        const entry = entryOf(row);
        return texts.every((text) => entry.text.includes(text))
          && (status === "" || entry.states.includes(status))
          && (reason === "" || entry.codes.includes(reason)) && (!asked || entry.answers.some(answers));
      };
      tell(list.redraw());
    };
    const reset = () => {
      for (const field of Object.values(fields)) if (field.tagName !== "BUTTON") field.value = "";
      apply();
    };
    let timer = 0;
    form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(apply, 60); });
    fields.reset.addEventListener("click", reset);
    // Paper has no bar: it says there which rows these are, and in which order.
    const paper = document.createElement("p");
    paper.className = "limit paper";
    form.after(paper);
    addEventListener("beforeprint", () => {
      const asked = Object.values(fields).filter((field) => field.tagName !== "BUTTON" && field.value !== "")
        .map((field) => `${field.parentElement.firstChild.textContent.trim()}: ${field.selectedOptions?.[0].textContent ?? field.value}`);
      const head = table.querySelector("th[aria-sort]");
      if (head) asked.push(`sorted by ${head.textContent}, ${head.getAttribute("aria-sort")}`);
      paper.textContent = asked.length ? `Printed with ${output.textContent}; ${asked.join("; ")}.` : "";
    });
    list.reset = reset;
    list.changed = () => tell(list.shown().length);
    form.hidden = false;
    // A browser that goes back restores what was typed.
    if (Object.values(fields).some((field) => field.tagName !== "BUTTON" && field.value)) apply();
    else tell(list.rows.length);
  };

  // A command, or the tables of a folded part as lines of tabulated cells.
  const copyable = (block) => {
    const shown = block.querySelector(block.tagName === "PRE" ? "code" : "table");
    if (!shown) return;
    const words = () => (block.tagName === "PRE" ? shown.textContent
      : all("tr", block).map((row) => [...row.cells].map((cell) => cell.textContent.trim()).join("\t")).join("\n"));
    const button = buttonOf("copy", "Copy", async () => {
      try {
        await navigator.clipboard.writeText(words());
        button.textContent = "Copied";
        button.removeAttribute("aria-label");
      } catch {
        getSelection().selectAllChildren(shown); // no clipboard here: select it, to copy by hand
      }
    });
    const of = block.querySelector("summary");
    if (of) button.setAttribute("aria-label", `Copy: ${of.textContent}`);
    block.append(button);
  };

  // A link to a row that the filter hides, or that is not laid out, shows it.
  const reveal = async () => {
    let id = "";
    try { id = decodeURIComponent(location.hash.slice(1)); } catch { /* "#%" is no row of ours */ }
    if (!id || document.getElementById(id)) return;
    for (const list of lists.values()) {
      await list.ready;
      const row = list.rows.find((one) => one.id === id);
      if (row) { list.reveal(row); location.replace(location.hash); } // so that it is :target
    }
  };

  // Pictures that were not seen yet are not laid out. Their group is as high as it will be, so that
  // nothing moves under a click: 80 px and a line of 0.9 rem each, see pictures.css.
  const sheets = all(".sheet");
  const reserve = () => {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const columns = Math.max(1, Math.floor((sheets[0].parentElement.clientWidth + 0.3 * rem) / (80 + 0.3 * rem)));
    for (const sheet of sheets) {
      const rows = Math.ceil(sheet.children.length / columns);
      sheet.style.containIntrinsicHeight = `auto ${rows * (80 + 0.9 * rem) + (rows - 1) * 0.4 * rem}px`;
    }
  };
  if (sheets.length) {
    reserve();
    addEventListener("resize", reserve);
  }

  for (const table of all("table[data-sort]")) lists.set(table, listOf(table));
  all("table[data-sort]").forEach(sortable);
  addEventListener("hashchange", reveal);
  reveal();
  all(".filter").forEach(filterable);
  all("[data-copy]").forEach(copyable);
  const unfolded = [];
  addEventListener("beforeprint", () => {
    for (const one of all("details:not([open])")) { one.open = true; unfolded.push(one); }
  });
  addEventListener("afterprint", () => { for (const one of unfolded.splice(0)) one.open = false; });
})();
