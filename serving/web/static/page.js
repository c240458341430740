import { Api } from "./api.js";
import { card, changeSummary, dueLine, element, facts, fill, latelyLine, nextLine, popularLine } from "./render.js";

const SHOWN = 12;
const NOBODY = "";
const config = JSON.parse(document.getElementById("config").textContent);
const $ = (id) => document.getElementById(id);
const state = { api: null, model: null, customer: NOBODY, before: null, turn: 0, consent: new Map() };
const DONE = { view: "You viewed", cart: "You put in the cart", purchase: "You bought", dismiss: "Noted, not interested in", decline: "No reminder until you buy" };

function notice(text, isError = false) {
  $("notice").hidden = !text;
  $("notice").textContent = text ?? "";
  $("notice").classList.toggle("error", isError);
}

function option(value, label) {
  const made = element("option", "", label);
  made.value = value;
  return made;
}

function fillSilos() {
  $("silo").replaceChildren(...config.silos.map((silo, index) => option(index, silo.name)));
}

async function chooseSilo(index) {
  const silo = config.silos[index];
  if (silo.page) { window.location.assign(silo.page); return; }
  state.api = new Api(silo.base);
  state.knowsNext = true;
  state.model = await state.api.model();
  showStatement(state.model);
  await fillCustomers();
  await chooseCustomer($("customer").value);
}

async function fillCustomers() {
  const typed = !config.demo;
  $("customer").hidden = typed;
  $("customer-id").hidden = !typed;
  if (typed) return;
  const { customers } = await state.api.customers(60);
  state.consent = new Map(customers.map((one) => [one.customer_id, one.personalisation]));
  const label = (one) => `${one.customer_id} · ${one.personalisation ? `${one.events} ${one.events === 1 ? "event" : "events"}` : "no consent"}`;
  const options = customers.map((one) => option(one.customer_id, label(one)));
  $("customer").replaceChildren(...options, option(NOBODY, "Somebody new"));
  const known = customers.filter((one) => one.personalisation).sort((one, other) => other.events - one.events);
  $("customer").value = known[0]?.customer_id ?? NOBODY;
}

async function chooseCustomer(id) {
  state.customer = id;
  state.before = null;
  $("change").textContent = "";
  await refresh();
}

async function refresh() {
  const turn = ++state.turn;
  const personal = { k: SHOWN, personalized: $("personalised").checked };
  if (state.customer) personal.customer_id = state.customer;
  const [mine, everyone, due, next, lately] = await Promise.all([
    state.api.recommend(personal),
    state.api.recommend({ k: 8, personalized: false }),
    loadDue(),
    loadNext(),
    config.demo && state.customer ? state.api.lately(state.customer, 6) : null,
  ]);
  if (turn !== state.turn) return;
  showGreeting(mine);
  showCards(mine);
  showDue(due, mine);
  showNext(next);
  showPopular(everyone, mine);
  showLately(lately);
  showFacts(mine);
}

async function loadDue() {
  if (!state.customer || !$("personalised").checked || state.consent.get(state.customer) === false) return { due: [] };
  try {
    return await state.api.due(state.customer, 30);
  } catch (error) {
    if (["no_consent", "unknown_customer", "no_event_times"].includes(error.code)) return { due: [] };
    throw error;
  }
}

async function loadNext() {
  if (!state.knowsNext || !state.customer || !$("personalised").checked || state.consent.get(state.customer) === false) return { needs: [] };
  try {
    return await state.api.nextNeeds(state.customer);
  } catch (error) {
    if (error.code === "no_life_plan") state.knowsNext = false;
    if (["no_consent", "unknown_customer", "no_event_times", "no_life_plan"].includes(error.code)) return { needs: [] };
    throw error;
  }
}

function showGreeting(mine) {
  $("eyebrow").textContent = `${state.model.silo} · ${state.api.now().toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long" })}`;
  $("greeting").textContent = state.customer ? `A page for ${state.customer}` : "A page for somebody new";
  const repeats = mine.items.filter((item) => item.kind === "repeat").length;
  $("lead").textContent = mine.degraded.length ? mine.degraded.map((one) => one.why).join(" ") : `${repeats} to buy again, ${mine.items.length - repeats} to discover.`;
}

const isPersonal = (mine) => Boolean(state.customer) && $("personalised").checked && !mine.degraded.some((one) => ["unknown_customer", "no_personalisation_consent"].includes(one.code));

function showCards(mine) {
  $("for-you").textContent = isPersonal(mine) ? "For you" : "For everyone";
  const old = positions();
  const canAct = Boolean(state.customer);
  fill($("cards"), mine.items.map((item, position) => card(item, position, state.before, canAct)), "Nothing to show: no item of this silo fits.");
  glide(old);
  state.items = mine.items;
}

const positions = () => new Map([...$("cards").children].map((one) => [one.dataset.item, one.getBoundingClientRect()]));

function glide(old) {
  if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const one of $("cards").children) {
    const from = old.get(one.dataset.item);
    const to = one.getBoundingClientRect();
    if (!from || (from.left === to.left && from.top === to.top)) continue;
    one.animate([{ transform: `translate(${from.left - to.left}px, ${from.top - to.top}px)` }, { transform: "none" }], { duration: 420, easing: "cubic-bezier(.2,.7,.2,1)" });
  }
}

function showDue(answer, mine) {
  const now = state.api.now();
  state.due = answer.due;
  const lines = [...likeliest(answer.due, 6), ...(answer.categories ?? []).slice(0, 2)];
  fill($("due"), lines.map((item) => dueLine(item, now)), isPersonal(mine) ? "Nothing is due in the next 30 days." : "Not worked out without a personal history.");
}

function showNext(answer) {
  const shown = new Set([...state.items, ...state.due].map((item) => item.item_id));
  const now = state.api.now();
  const needs = answer.needs.slice(0, 4).map((need) => ({ ...need, items: need.items.filter((item) => !shown.has(item.item_id)).slice(0, 2) }));
  $("next-panel").hidden = !needs.length;
  fill($("next"), needs.map((need) => nextLine(need, now)), "Nothing comes up.");
}

function likeliest(due, count) {
  const chosen = new Set([...due].sort((one, other) => other.p_within_7 - one.p_within_7).slice(0, count));
  return due.filter((item) => chosen.has(item));
}

function showPopular(everyone, mine) {
  const own = new Set(isPersonal(mine) ? mine.items.map((item) => item.item_id) : []);
  fill($("popular"), everyone.items.slice(0, 6).map((item, position) => popularLine(item, position, own.has(item.item_id))), "Nothing yet.");
}

function showLately(answer) {
  $("lately-panel").hidden = !answer?.events.length;
  if (answer) fill($("lately"), answer.events.map((event) => latelyLine(event, state.api.now())), "No events yet.");
}

function showStatement(model) {
  const statement = model.privacy_statement;
  $("epsilon").textContent = statement.epsilon == null ? "none" : `ε ${Number(statement.epsilon.toFixed(2))}`;
  $("words").textContent = model.in_plain_words;
}

function showFacts(mine) {
  const statement = state.model.privacy_statement;
  facts($("facts"), [
    ["Model", mine.model_version],
    ["Statement", mine.privacy_statement_id],
    ["δ", statement.delta?.toExponential()],
    ["Protected unit", statement.unit],
    ["This answer", mine.degraded.length ? mine.degraded.map((one) => one.code).join(", ") : "complete"],
    ["Request", mine.request_id],
  ]);
}

async function act(button) {
  const one = button.closest("[data-item]");
  const item = [...state.items, ...state.due].find((candidate) => candidate.item_id === one.dataset.item);
  const buttons = [...one.querySelectorAll("button")];
  for (const other of buttons) other.disabled = true;
  try {
    await state.api.event(state.customer, item.item_id, button.dataset.event);
  } catch (error) {
    for (const other of buttons) other.disabled = false;
    throw error;
  }
  state.before = new Map(state.items.map((shown, position) => [shown.item_id, position]));
  await refresh();
  $("change").textContent = `${DONE[button.dataset.event]} “${item.title}”: ${changeSummary(state.items, state.before)}`;
}

function guarded(work) {
  return async (...given) => {
    notice(null);
    try { await work(...given); } catch (error) { notice(error.message, true); }
  };
}

$("silo").addEventListener("change", guarded((event) => chooseSilo(Number(event.target.value))));
$("customer").addEventListener("change", guarded((event) => chooseCustomer(event.target.value)));
$("customer-id").addEventListener("change", guarded((event) => chooseCustomer(event.target.value.trim())));
$("personalised").addEventListener("change", guarded(() => { state.before = null; $("change").textContent = ""; return refresh(); }));
for (const list of ["cards", "due"]) $(list).addEventListener("click", guarded(async (event) => {
  const button = event.target.closest("button[data-event]");
  if (button) await act(button);
}));
$("chooser").addEventListener("submit", (event) => event.preventDefault());
fillSilos();
guarded(() => chooseSilo(0))();
