// From the API's answers to the page's elements.
const currency = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const dayName = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });
const DAY = 86400000;
const VERBS = { view: "Viewed", cart: "In the cart", purchase: "Bought", return: "Returned", rating: "Rated", dismiss: "Not interested", empty: "Reported empty", expired: "Reported expired", decline: "No reminder" };

export const element = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};

export const price = (value) => (value == null ? "" : currency.format(value));

function hue(text) {
  let hash = 7;
  for (const character of text) hash = (hash * 31 + character.codePointAt(0)) % 3600;
  return (hash * 47) % 360;
}

function glyph(item) {
  const words = (item.category || item.title).split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  return words.slice(0, 2).map((word) => word[0].toUpperCase()).join("") || "·";
}

function movement(item, position, before) {
  if (!before) return null;
  const old = before.get(item.item_id);
  if (old === undefined) return { kind: "new", text: "new here" };
  if (old > position) return { kind: "up", text: `▲ ${old - position}` };
  if (old < position) return { kind: "down", text: `▼ ${position - old}` };
  return null;
}

export function card(item, position, before, canAct) {
  const made = document.getElementById("card-template").content.firstElementChild.cloneNode(true);
  const find = (selector) => made.querySelector(selector);
  made.dataset.item = item.item_id;
  find(".tile").style.setProperty("--hue", hue(item.category || item.brand || item.title));
  find(".glyph").textContent = glyph(item);
  find(".rank").textContent = position + 1;
  find(".meta").textContent = [item.brand, item.category].filter(Boolean).join(" · ");
  find(".title").textContent = item.title || item.item_id;
  find(".chip").dataset.kind = item.reason.kind;
  find(".chip-text").textContent = item.reason.text;
  find(".price").textContent = price(item.price);
  const change = movement(item, position, before);
  if (change) { made.dataset.moved = change.kind; find(".moved").textContent = change.text; }
  find(".actions").setAttribute("aria-label", item.title || item.item_id);
  for (const button of made.querySelectorAll("button")) {
    button.disabled = !canAct;
    button.setAttribute("aria-label", `${button.title || button.textContent}: ${item.title || item.item_id}`);
  }
  return made;
}

export function changeSummary(items, before) {
  const changes = items.map((item, position) => movement(item, position, before)?.kind);
  const fresh = changes.filter((kind) => kind === "new").length;
  const moved = changes.filter((kind) => kind === "up" || kind === "down").length;
  if (!fresh && !moved) return "the list stays as it was";
  const parts = [];
  if (fresh) parts.push(`${fresh} new`);
  if (moved) parts.push(`${moved} moved`);
  return parts.join(", ");
}

function whenWords(date, now) {
  const days = Math.round((startOfDay(date) - startOfDay(now)) / DAY);
  if (days < -1) return { text: `${-days} days ago`, late: true };
  if (days === -1) return { text: "yesterday", late: true };
  if (days === 0) return { text: "today", late: false };
  if (days === 1) return { text: "tomorrow", late: false };
  return { text: dayName.format(date), late: false };
}

function dueWords(date, now) {
  const when = whenWords(date, now);
  return when.late && when.text !== "yesterday" ? { text: `since ${dayName.format(date)}`, late: true } : when;
}

const startOfDay = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();

function dueFacts(item) {
  const sure = item.device ? item.basis : `${Math.round(item.p_within_7 * 100)} % within a week · ${item.basis}`;
  const known = [sure, item.weekly_habit?.text, item.season].filter(Boolean);
  const facts = [element("p", "sub", known.join(" · "))];
  if (item.out_of_stock || item.out_of_stock_by_then) {
    const instead = item.substitute ? `; instead: ${item.substitute.title || item.substitute.item_id}` : "";
    facts.push(element("p", "sub alert", `${item.out_of_stock ? "Out of stock" : "Likely to be sold out by then"}${instead}`));
  }
  if (item.stock_up) facts.push(element("p", "sub", item.stock_up.text));
  if (item.items?.length) facts.push(element("p", "sub", `Yours: ${item.items.map((one) => one.title || one.item_id).join(", ")}`));
  return facts;
}

function answerButton(kind, label, style, item) {
  const made = element("button", style, label);
  made.type = "button";
  made.dataset.event = kind;
  made.setAttribute("aria-label", `${label}: ${item.title || item.item_id}`);
  return made;
}

function dueAnswers(item) {
  const made = element("div", "answers");
  made.setAttribute("role", "group");
  made.setAttribute("aria-label", item.title || item.item_id);
  if (item.device?.question) {
    const yes = item.out_of_stock ? [] : [answerButton("cart", "Yes", "yes", item)];
    made.append(element("span", "", item.device.question), ...yes, answerButton("decline", "No", "", item));
  } else {
    made.append(answerButton("decline", "Don't remind me", "", item));
  }
  return made;
}

export function dueLine(item, now) {
  const made = element("li");
  const when = item.device ? { text: "now", late: true } : dueWords(new Date(item.expected_at), now);
  const left = element("div");
  left.append(element("p", "line", item.title || item.category || item.item_id), ...dueFacts(item));
  const bar = element("div", "bar");
  const fill = element("i");
  fill.style.width = `${Math.round(item.p_within_7 * 100)}%`;
  bar.append(fill);
  made.append(left, element("p", when.late ? "when late" : "when", when.text), bar);
  if (item.item_id) {
    made.dataset.item = item.item_id;
    made.append(dueAnswers(item));
  }
  return made;
}

export function nextLine(need, now) {
  const made = element("li");
  const from = dayOf(need.needed_from);
  const left = element("div");
  const share = need.chance == null ? "" : ` (about ${Math.max(1, Math.round(need.chance * 100))} %)`;
  left.append(element("p", "line", need.category), element("p", "sub", `${need.because.text}${share}`));
  if (need.items.length) left.append(element("p", "sub", `For you: ${need.items.map((one) => one.title || one.item_id).join(", ")}`));
  made.append(left, element("p", "when", from <= now ? `until ${dayName.format(dayOf(need.needed_until))}` : `from ${dayName.format(from)}`));
  return made;
}

const dayOf = (day) => new Date(`${day}T00:00:00`);

export function popularLine(item, position, shared) {
  const made = element("li");
  const middle = element("div");
  middle.append(element("p", "line", item.title || item.item_id), element("p", "sub", item.category));
  made.append(element("span", "number", position + 1), middle);
  made.append(shared ? element("span", "tag shared", "also yours") : element("span", "number", price(item.price)));
  return made;
}

export function latelyLine(event, now) {
  const made = element("li");
  const when = event.timestamp ? ` · ${whenWords(new Date(event.timestamp), now).text}` : "";
  made.append(element("p", "line", event.title || event.item_id), element("p", "sub", (VERBS[event.event] ?? event.event) + when));
  return made;
}

export function facts(list, pairs) {
  list.replaceChildren(...pairs.filter(([, value]) => value != null && value !== "").flatMap(([name, value]) => [element("dt", "", name), element("dd", "", value)]));
}

export function fill(list, rows, emptyText) {
  list.replaceChildren(...(rows.length ? rows : [element("li", "empty", emptyText)]));
}
