using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "edge", worker = .edge),
    (name = "cron", worker = .cron),
    (name = "internet", network = (allow = ["local"])),
  ],
  sockets = [
    (name = "edge", http = (), service = "edge"),
    (name = "cron", http = (), service = "cron"),
  ],
);

const edge :Workerd.Worker = (
  modules = [(name = "edge.js", esModule = embed "edge.js")],
  compatibilityDate = "2026-11-01",
  bindings = [
    (name = "SALLYPORT_API_SERVER", fromEnvironment = "SALLYPORT_API_SERVER"),
    (name = "SALLYPORT_TOKEN", fromEnvironment = "SALLYPORT_TOKEN"),
  ],
);

const cron :Workerd.Worker = (
  modules = [(name = "cron.js", esModule = embed "cron.js")],
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["service_binding_extra_handlers"],
  bindings = [(name = "EDGE", service = "edge")],
);
