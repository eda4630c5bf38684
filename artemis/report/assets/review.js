"use strict";
// A reviewer's marks: made at the foot of the page, kept in this browser, taken out as the CSV
// that `artemis-cli labels import` reads. The page is complete without it.
(async () => {
  const dock = document.getElementById("dock");
  const table = document.getElementById("table-slices");
  if (!dock || !table) return;
  const part = Object.fromEntries([...dock.querySelectorAll("[data-d]")].map((one) => [one.dataset.d, one]));
  const panel = document.getElementById("dock-slice");
  const verdicts = [...dock.querySelectorAll("[data-verdict]")];
  const takes = [...dock.querySelectorAll("button[data-take]")];
  const run = dock.dataset.run;
  const settling = dock.dataset.settling === "yes"; // a third person decides where reviewers differ
  const more = dock.dataset.more && `${count(Number(dock.dataset.more))} more`; // doubtful, on other pages
  const others = dock.dataset.others;
  const columns = dock.dataset.columns.split(",");
  const names = (select) => [...select.options].map((option) => option.value);
  const tumors = names(part.tumor);
  const planes = names(part.plane);
  const words = { agree: "agreed", correct: "corrected", unsure: "unsure", bad_image: "bad image" };
  const labelOf = (mark) => `${mark.tumor === "none" ? "no tumour" : mark.tumor}, ${mark.plane}`;

  // Slices that were classified, copies once: the doubtful, most doubtful first, then the rest.
  const list = lists.get(table);
  await list.ready;
  const idOf = (one) => one.getAttribute("data-id"); // of thousands; dataset is slower
  const [shownOf, rows, doubts, byAnchor] = [new Map(), new Map(), new Map(), new Map()];
  const put = (id, one) => { if (shownOf.has(id)) shownOf.get(id).push(one); else shownOf.set(id, [one]); };
  let copied = false; // whether a doubtful slice has a second row
  for (const row of list.rows) {
    const id = idOf(row);
    byAnchor.set(`#${row.id}`, id);
    if (!id) continue;
    const doubt = row.getAttribute("data-doubt");
    copied ||= Boolean(doubt) && rows.has(id);
    if (!rows.has(id)) { rows.set(id, row); doubts.set(id, Number(doubt ?? -1)); }
    put(id, row);
  }
  const cards = new Map([...document.querySelectorAll(".card[data-id]")].map((card) => [idOf(card), card]));
  for (const [id, card] of cards) put(id, card);
  const runOf = (id) => rows.get(id)?.dataset.run ?? run;
  const queue = [...rows.keys()].sort((a, b) => doubts.get(b) - doubts.get(a));
  const doubtful = queue.filter((id) => doubts.get(id) >= 0);

  let marks = {};
  let current = null;
  let lost = ""; // stands behind all that is said, while nothing is kept
  const say = (text) => { part.said.textContent = `${text} ${lost}`.trim(); };

  // ---- kept in this browser, one set a reviewer
  const keep = (key, text) => {
    try { localStorage.setItem(key, text); lost = ""; } catch { lost = "This browser keeps nothing: export before you close the page."; say(""); }
    return !lost;
  };
  const kept = (key) => { try { return localStorage.getItem(key); } catch { return null; } };
  const reviewer = () => part.reviewer.value.trim().toUpperCase();
  const known = () => /^[\p{L}\p{N}][\p{L}\p{N}_.-]{0,15}$/u.test(reviewer());
  const place = () => `artemis-review:${dock.dataset.store}:${reviewer()}`;
  const unkept = {}; // by place: marks that the browser did not take, null where one was taken back
  const read = () => {
    let all = marks; // where the browser's store was cleared, what is on the page still stands
    const text = kept(place());
    try { if (text !== null) all = JSON.parse(text); } catch { all = {}; }
    all = Object.entries({ ...all, ...unkept[place()] }).filter(([, one]) => one);
    if (!settling) return Object.fromEntries(all);
    // what was settled before somebody objected anew, or elsewhere, is gone
    const open = ([id, one]) => rows.has(id) && Date.parse(one.reviewed_at) > Date.parse(rows.get(id).dataset.since);
    return Object.fromEntries(all.filter((one) => one[0] in marks || open(one)));
  };
  const load = () => { marks = {}; marks = read(); draw(); };
  // Another page of the run may have kept marks since this one read them: what changed goes among them.
  const save = (changed) => {
    unkept[place()] = { ...unkept[place()], ...Object.fromEntries(changed.map((id) => [id, marks[id] ?? null])) };
    marks = read();
    if (keep(place(), JSON.stringify(marks))) delete unkept[place()];
    draw();
  };
  const reload = () => { // what stands in the fields stays, unless the mark beside it is another now
    const before = JSON.stringify(marks[current]);
    marks = read();
    draw();
    if (JSON.stringify(marks[current]) !== before) show(current, false);
  };

  // What is written beside a slice before its verdict, also before the initials: on this page alone.
  const drafts = new Map();
  const draft = (id, who = known() ? reviewer() : "") => `${who}:${id}`;
  const sketch = () => {
    if (current && !marks[current]) drafts.set(draft(current), { confidence: part.confidence.value, note: part.note.value });
  };

  // ---- what is seen
  const badge = (element, mark) => {
    element.querySelector(".mark")?.remove();
    if (!mark) return;
    const sign = document.createElement("span");
    sign.className = "mark";
    const said = mark.tumor ? `: ${labelOf(mark)}` : "";
    sign.textContent = `${settling && mark.tumor ? "settled" : words[mark.verdict]}${said}`;
    element.append(sign);
  };
  const marked = new Set();
  const draw = () => {
    for (const id of new Set([...marked, ...Object.keys(marks)])) {
      for (const one of shownOf.get(id) ?? []) badge(one.cells?.[one.cells.length - 2] ?? one.querySelector("h3"), marks[id]);
      if (marks[id]) marked.add(id); else marked.delete(id);
    }
    const all = Object.keys(marks).length;
    const done = doubtful.filter((id) => marks[id]).length;
    part.progress.max = doubtful.length || 1;
    part.progress.value = done;
    const once = copied ? " (copies once)" : "";
    const share = `${count(done)} of ${count(doubtful.length)}`;
    if (settling) part.count.textContent = `${share} settled`;
    else if (more) part.count.textContent = `${share} doubtful on this page reviewed${once}; ${more} on ${others}; ${count(all)} marked in all`;
    else part.count.textContent = `${share} doubtful reviewed${once}, ${count(all)} marked`;
    part.export.disabled = !all;
    part.next.disabled = done === doubtful.length;
    const mark = marks[current];
    for (const button of verdicts) button.setAttribute("aria-pressed", String(mark?.verdict === button.dataset.verdict));
    const said = mark && (mark.tumor ? `${mark.tumor} ${mark.plane}` : mark.verdict);
    for (const button of takes) button.setAttribute("aria-pressed", String(said === button.dataset.take));
    part.undo.disabled = !mark;
  };
  const answerOf = (id) => {
    const value = Number(rows.get(id).querySelector("td[data-v]")?.dataset.v ?? 0);
    return { tumor: tumors[Math.floor(value / planes.length)], plane: planes[value % planes.length] };
  };
  const answersOf = (row) => {
    const list = document.createElement("ul");
    const heads = [...table.querySelectorAll("th.group")];
    [...row.querySelectorAll("td[data-v]")].forEach((cell, order) => {
      const line = document.createElement("li");
      const seen = cell.classList.contains("seen") ? ", trained on this picture" : "";
      line.textContent = `${heads[order]?.textContent ?? ""}: ${cell.textContent}, ${cell.nextElementSibling.textContent}${seen}`;
      list.append(line);
    });
    return list;
  };
  const small = () => {
    const note = document.createElement("p");
    note.className = "note";
    note.textContent = "Small and without evidence, as all but the most doubtful are: artemis-cli explain shows more of any image.";
    return note;
  };
  const show = (id, scroll = true) => {
    if (!rows.has(id)) return;
    if (id !== current) say(""); // what was said is of the slice before
    for (const one of [rows.get(current), cards.get(current)]) one?.removeAttribute("aria-current");
    current = id;
    const [row, card] = [rows.get(id), cards.get(id)];
    for (const one of [row, card]) one?.setAttribute("aria-current", "true");
    const pictures = card ? [...card.querySelector(".pictures").children] : [...row.querySelectorAll(".shot")];
    part.pictures.replaceChildren(...pictures.map((one) => one.cloneNode(true)));
    part.name.replaceChildren(`${row.cells[0].textContent} `, row.querySelector(".path").cloneNode(true));
    const why = row.cells[row.cells.length - 1].cloneNode(true);
    why.querySelector(".known")?.remove(); // who knows it judges no more; dock.css hides it in the row
    part.why.textContent = why.textContent;
    part.answers.replaceChildren(...(card ? [card.querySelector(".tops").cloneNode(true)] : [answersOf(row), small()]));
    for (const head of part.answers.querySelectorAll("h4")) head.setAttribute("role", "none"); // no outline here
    const opinions = (row.dataset.opinions ?? "").split("|").filter(Boolean).map((one) => one.split("="));
    takes.forEach((button, order) => {
      button.hidden = !opinions[order];
      if (button.hidden) return;
      [button.dataset.take] = opinions[order];
      button.lastElementChild.textContent = opinions[order][1];
    });
    const mark = marks[id];
    const label = mark?.tumor ? mark : answerOf(id);
    [part.tumor.value, part.plane.value] = [label.tumor, label.plane];
    const written = mark ?? drafts.get(draft(id)) ?? drafts.get(draft(id, ""));
    [part.confidence.value, part.note.value] = [written?.confidence ?? "", written?.note ?? ""];
    draw();
    if (!scroll) return;
    if (!card) list.reveal(row);
    (card ?? row).scrollIntoView({ block: "center" });
    try { history.replaceState(null, "", `#${row.id}`); } catch { /* the address stays as it is */ }
  };

  // ---- marking
  // A note as the import takes it: no tabs and the like, 500 letters.
  const plain = (note) => [...note.replace(/\p{Cc}/gu, " ").trim()].slice(0, 500).join("");
  const mark = (verdict) => {
    if (!current) return;
    if (!known()) {
      say("First enter your initials: up to 16 letters and digits.");
      part.reviewer.focus();
      return;
    }
    if (verdict === "agree") Object.assign(part.tumor, { value: answerOf(current).tumor });
    if (verdict === "agree") Object.assign(part.plane, { value: answerOf(current).plane });
    const decides = verdict === "agree" || verdict === "correct";
    marks[current] = {
      verdict, tumor: decides ? part.tumor.value : "", plane: decides ? part.plane.value : "",
      confidence: part.confidence.value, note: plain(part.note.value), reviewed_at: new Date().toISOString(),
    };
    part.note.value = marks[current].note;
    for (const who of [reviewer(), ""]) drafts.delete(draft(current, who));
    save([current]);
    const { confidence, note } = marks[current];
    const added = `${confidence && `, how sure ${confidence} of 5`}${note && ", with a note"}`;
    const partial = (rows.get(current).dataset.by ?? "").split(" ").includes(reviewer());
    say(`Slice ${rows.get(current).cells[0].textContent}: ${settling && decides ? "settled" : words[verdict]}${decides ? `, ${labelOf(marks[current])}` : ""}${added}.`
      + (partial ? ` ${reviewer()} judged it before: a third person should settle it.` : ""));
  };
  const differs = () => { // a label that is the model's own corrects nothing
    const model = answerOf(current);
    return part.tumor.value !== model.tumor || part.plane.value !== model.plane;
  };
  const decide = () => mark(differs() ? "correct" : "agree");
  const judge = (verdict) => {
    if (verdict !== "correct" || !current || differs()) mark(verdict);
    else say("Nothing is corrected yet: choose another tumour (g, m, p, x) or plane (c, s, t).");
  };
  const take = (button) => { // the answer of a reviewer
    if (!button || button.hidden) return;
    const [tumor, plane] = button.dataset.take.split(" ");
    if (!plane) { mark("bad_image"); return; }
    [part.tumor.value, part.plane.value] = [tumor, plane];
    decide();
  };
  const correct = (select, value) => { select.value = value; decide(); };
  const again = () => {
    if (marks[current]) { mark(marks[current].verdict); return; }
    sketch();
    if (current) say("Stays in its field until you give a verdict; without one it is not kept or exported.");
  };
  const undo = () => {
    if (!marks[current]) { say("There is no mark to take back."); return; }
    delete marks[current];
    save([current]);
    say("Mark taken back.");
  };

  // ---- going on: through the rows that the filter shows, or the queue and then the rest
  const order = () => {
    if (!list.fits && !list.order) return queue;
    return list.shown().filter((row) => rows.get(row.dataset.id) === row).map((row) => row.dataset.id);
  };
  const step = (by) => {
    const all = order();
    const at = all.indexOf(current);
    const to = at < 0 ? 0 : at + by;
    if (to >= 0 && to < all.length) show(all[to]);
    else say(by > 0 ? "This was the last slice." : "This is the first slice.");
  };
  const next = () => {
    const waiting = doubtful.filter((id) => !marks[id]);
    const after = waiting.find((id) => doubtful.indexOf(id) > doubtful.indexOf(current));
    const id = after ?? waiting[0];
    open(true);
    if (id) show(id);
    else if (more) say(`Every doubtful slice on this page has been reviewed; ${more} on ${others}.`);
    else say(settling ? "Every conflict is settled." : "Every doubtful slice has been reviewed.");
  };
  // What is focused or linked is scrolled to above the bar, however high it is.
  new ResizeObserver(() => { document.documentElement.style.scrollPaddingBottom = `${dock.offsetHeight + 16}px`; }).observe(dock);
  const open = (wanted) => {
    if (panel.hidden === !wanted) return;
    panel.hidden = !wanted;
    document.documentElement.classList.toggle("reviewing", wanted);
    part.open.setAttribute("aria-expanded", String(wanted));
    part.open.textContent = wanted ? "Close" : "Go on";
    if (!wanted) { part.open.focus(); return; }
    show(current ?? doubtful.find((id) => !marks[id]) ?? queue[0]);
    (known() ? part.name : part.reviewer).focus({ preventScroll: true });
  };

  // ---- CSV, as artemis/reviews/reviewed_file.py reads it
  const csv = () => {
    const lines = Object.entries(marks).map(([id, one]) =>
      ({ ...one, note: plain(one.note ?? ""), run_id: runOf(id), slice_id: id, reviewer: reviewer(), adjudication: settling ? "yes" : "" }));
    lines.sort((a, b) => (a.reviewed_at < b.reviewed_at ? -1 : 1));
    return [columns.join(","), ...lines.map((line) => columns.map((name) => cellOf(String(line[name] ?? ""))).join(","))].join("\r\n") + "\r\n";
  };
  const exportMarks = () => {
    const name = `review_${run}_${reviewer()}.csv`;
    download(name, csv());
    say(`${counted(Object.keys(marks).length, "mark")} exported. Import with: artemis-cli labels import ${name}`);
  };
  const cells = (text) => {
    const found = [[""]];
    let quoted = false;
    for (let i = 0; i < text.length; i += 1) {
      const [char, line] = [text[i], found[found.length - 1]];
      if (quoted && char === '"' && text[i + 1] === '"') { line[line.length - 1] += '"'; i += 1; }
      else if (char === '"') quoted = !quoted;
      else if (!quoted && char === ",") line.push("");
      else if (!quoted && (char === "\n" || char === "\r")) { if (line.length > 1 || line[0]) found.push([""]); }
      else line[line.length - 1] += char;
    }
    return found.filter((line) => line.length > 1 || line[0]);
  };
  const isMark = (one) => /^[0-9a-f]{64}$/.test(one.slice_id) && Object.hasOwn(words, one.verdict)
    && !Number.isNaN(Date.parse(one.reviewed_at)) && /^[1-5]?$/.test(one.confidence)
    && (["agree", "correct"].includes(one.verdict)
      ? tumors.includes(one.tumor) && planes.includes(one.plane) : !one.tumor && !one.plane);
  const bring = (text) => {
    const [head, ...lines] = cells(text.replace(/^\uFEFF/, ""));
    const missing = columns.slice(0, 8).filter((name) => !head?.includes(name));
    if (missing.length) { say(`No review was found in this file: it lacks ${missing.join(", ")}.`); return; }
    const all = lines.map((line) => Object.fromEntries(head.map((name, index) => [name, line[index] ?? ""])));
    const fitting = all.filter((one) => one.run_id === runOf(one.slice_id) && isMark(one));
    if (!known() && fitting.length) { part.reviewer.value = fitting[0].reviewer.toUpperCase(); rename(); }
    const mine = fitting.filter((one) => one.reviewer.toUpperCase() === reviewer());
    marks = read(); // one of another page may be newer than the file's
    const newer = [];
    for (const { slice_id, verdict, tumor, plane, confidence, reviewed_at, note } of mine) {
      if (marks[slice_id] && Date.parse(marks[slice_id].reviewed_at) >= Date.parse(reviewed_at)) continue;
      marks[slice_id] = { verdict, tumor, plane, confidence, note: textOf(note ?? ""), reviewed_at };
      newer.push(slice_id);
    }
    save(newer);
    show(current, false);
    const others = fitting.length - mine.length;
    const odd = all.length - fitting.length;
    say(`${counted(mine.length, "mark")} of ${reviewer() || "nobody"} read.`
      + (others ? ` ${others} of other reviewers left out: artemis-cli labels import brings reviewers together.` : "")
      + (odd ? ` ${counted(odd, "line")} ${odd === 1 ? "is" : "are"} left out: of another run, or not as a review has them.` : ""));
  };

  // ---- what is listened to
  const rename = () => {
    part.reviewer.value = reviewer();
    if (known()) keep("artemis-reviewer", reviewer());
    load();
    if (current) show(current, false);
  };
  const keys = {
    j: () => step(1), k: () => step(-1), n: next, u: undo,
    1: () => judge("agree"), 2: () => judge("correct"), 3: () => judge("unsure"), 4: () => judge("bad_image"),
    ...(settling ? { 1: () => take(takes[0]), 2: () => take(takes[1]), 3: () => take(takes[2]) } : {}),
    ...Object.fromEntries([..."gmpx"].map((key, index) => [key, () => correct(part.tumor, tumors[index])])),
    ...Object.fromEntries([..."cst"].map((key, index) => [key, () => correct(part.plane, planes[index])])),
  };
  document.addEventListener("keydown", (event) => {
    if (panel.hidden || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Escape") { open(false); return; }
    if (event.target.closest?.("input, select, textarea")) return;
    // Digits by their place, since layouts such as AZERTY give other signs there without Shift. The
    // number pad's are arrows and the like where it is switched off, and with Shift on most systems.
    const [, pad, digit] = /^(?:Digit|(Numpad))([1-5])$/.exec(event.code) ?? [];
    const typed = pad && !event.shiftKey && event.key !== digit ? event.key : digit ?? event.key;
    const action = event.shiftKey && digit
      ? () => { part.confidence.value = digit; again(); } : keys[typed.toLowerCase()];
    if (!action || (event.shiftKey && !digit)) return;
    event.preventDefault();
    action();
  });
  for (const button of verdicts) button.addEventListener("click", () => judge(button.dataset.verdict));
  for (const button of takes) button.addEventListener("click", () => take(button));
  for (const name of ["tumor", "plane"]) part[name].addEventListener("change", decide);
  for (const name of ["confidence", "note"]) part[name].addEventListener("change", again);
  part.note.addEventListener("input", sketch); // at each letter: Escape leaves the field unsaid
  part.reviewer.addEventListener("change", rename);
  part.reviewer.addEventListener("keydown", (event) => { if (event.key === "Enter") part.name.focus({ preventScroll: true }); });
  part.open.addEventListener("click", () => open(panel.hidden));
  part.next.addEventListener("click", next);
  part.before.addEventListener("click", () => step(-1));
  part.after.addEventListener("click", () => step(1));
  part.undo.addEventListener("click", undo);
  part.export.addEventListener("click", exportMarks);
  part.import.addEventListener("change", async () => {
    const [file] = part.import.files;
    if (file) bring(await file.text());
    part.import.value = "";
  });
  addEventListener("storage", (event) => { if (event.key === place()) reload(); }); // of another page
  // A page gone back to missed those.
  addEventListener("pageshow", (event) => { if (event.persisted) reload(); });
  addEventListener("hashchange", () => { const id = byAnchor.get(location.hash); if (id) show(id, false); });
  for (const card of document.querySelectorAll(".card[data-id]")) {
    const id = card.dataset.id;
    const button = buttonOf("begin", settling ? "Settle" : "Review", () => { open(true); show(id); });
    button.setAttribute("aria-label", `${button.textContent} slice ${card.querySelector(".num")?.textContent ?? rows.get(id)?.cells[0].textContent ?? ""}`);
    card.querySelector(".what").append(button);
  }
  dock.hidden = false;
  document.documentElement.classList.add("reviewable"); // not :has(), which is looked up at every change
  part.reviewer.value = kept("artemis-reviewer") ?? "";
  load();
  const linked = location.hash && byAnchor.get(location.hash);
  if (linked) { current = linked; show(linked, false); }
})();
