// The silo's API, as the page uses it. Every error carries the server's own words.
export class Api {
  constructor(base) { this.base = base; this.skew = 0; }

  async call(method, path, body) {
    let response;
    try {
      response = await fetch(this.base + path, {
        method,
        headers: body ? { "content-type": "application/json" } : {},
        body: body ? JSON.stringify(body) : undefined,
      });
    } catch {
      throw new Error("The server does not answer. Is it still running?");
    }
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) {
      const error = new Error(answer.error ? `${answer.error.message}. To do: ${answer.error.what_to_do}.` : `HTTP ${response.status}`);
      error.code = answer.error?.code;
      throw error;
    }
    return answer;
  }

  async model() {
    const model = await this.call("GET", "v1/model");
    this.skew = Date.parse(model.now) - Date.now();
    return model;
  }

  now() { return new Date(Date.now() + this.skew); }
  customers(limit) { return this.call("GET", `v1/demo/customers?limit=${limit}`); }
  lately(id, limit) { return this.call("GET", `v1/demo/customers/${encodeURIComponent(id)}/events?limit=${limit}`); }
  recommend(query) { return this.call("POST", "v1/recommendations", query); }
  due(id, horizon) { return this.call("GET", `v1/customers/${encodeURIComponent(id)}/replenishment?horizon_days=${horizon}&least=0.25`); }

  nextNeeds(id) { return this.call("GET", `v1/customers/${encodeURIComponent(id)}/next-needs?k=8`); }

  event(customer, item, kind) {
    return this.call("POST", "v1/events", {
      event_id: `page-${randomId()}`, customer_id: customer, item_id: item, event: kind, quantity: 1,
      timestamp: this.now().toISOString(),
    });
  }
}

function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
