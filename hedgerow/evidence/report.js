const $ = name => document.getElementById(name), cards = [...document.querySelectorAll(".card")], texts = new Map();
const text = card => { if (!texts.has(card)) texts.set(card, card.textContent.toLowerCase()); return texts.get(card); };
const filter = () => {
  const words = $("q").value.toLowerCase().split(/\s+/).filter(Boolean), host = $("host") ? $("host").value : "";
  const shown = new Set([...document.querySelectorAll(".chip input:checked")].map(box => box.value));
  let controls = 0, findings = 0;
  for (const card of cards) {
    const found = words.every(word => text(card).includes(word));
    let some = 0;
    for (const answer of card.querySelectorAll(".answer")) {
      const hosts = answer.dataset.h.split(" ");
      answer.hidden = !(found && shown.has(answer.dataset.s) && (!host || hosts.includes(host)));
      if (!answer.hidden) some += host ? 1 : hosts.length;
    }
    card.hidden = !some; controls += !card.hidden; findings += some;
  }
  for (const part of document.querySelectorAll("[data-section]")) part.hidden = !part.querySelector(".card:not([hidden])");
  $("n").textContent = controls + (controls === 1 ? " control, " : " controls, ") + findings + (findings === 1 ? " finding" : " findings");
};
$("find").hidden = false;
$("find").addEventListener("input", filter);
$("find").addEventListener("submit", event => event.preventDefault());
$("find").addEventListener("reset", () => setTimeout(filter));
const show = () => {
  const there = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!there || there.tagName !== "DETAILS") return;
  if (there.hidden || there.closest("[hidden]")) { $("find").reset(); filter(); }
  there.open = true; there.scrollIntoView();
};
addEventListener("hashchange", show); show();
document.addEventListener("click", event => { const link = event.target.closest("a[href^='#']"); if (link && link.hash === location.hash) show(); });
const closed = [];
addEventListener("beforeprint", () => { for (const card of cards) if (!card.open) { closed.push(card); card.open = true; } });
addEventListener("afterprint", () => { while (closed.length) closed.pop().open = false; });
