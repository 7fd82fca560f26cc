// How the report looks. Paths are relative to the folder the suite was run in.
import { existsSync, readFileSync } from "node:fs";

const environment = "build/environment.json"; // written by the suite: what ran where
// A path would be neither embedded nor copied.
const logo = readFileSync(new URL("logo.svg", import.meta.url)).toString("base64");

export default {
  name: "Volume Plugins Demo",
  historyPath: "build/history.jsonl",
  historyLimit: 20,
  defaultLabels: { host: "suite", thread: "main" }, // the timeline is empty without them
  hideLabels: ["host", "thread"],
  variables: existsSync(environment) ? JSON.parse(readFileSync(environment, "utf8")) : {},
  categories: [
    {
      name: "Undefined steps",
      matchers: { statuses: ["broken"], message: /implement step definitions/ },
    },
    {
      name: "Refused mount",
      matchers: { message: /VolumeDriver\.Mount|failed to mount|is owned by|is in use/i },
    },
    {
      name: "Node not reachable",
      matchers: {
        message:
          /No route to host|Connection refused|Connection reset|timed out|ConnectTimeout|NoValidConnections|SSHException|ERR_(CONNECTION|ADDRESS)/i,
      },
    },
    {
      name: "Wrong data after a move",
      matchers: { statuses: ["failed"], message: /whale|content|data|prints/i },
    },
  ],
  plugins: {
    awesome: {
      options: {
        singleFile: true,
        theme: "light",
        reportLanguage: "en",
        logo: `data:image/svg+xml;base64,${logo}`,
        groupBy: ["epic", "feature", "story"],
        stepTreeExpansion: "expanded",
        sections: ["charts", "timeline"],
        timeline: { minDuration: 0 },
        charts: [
          { type: "currentStatus", title: "Scenarios now" },
          { type: "statusDynamics", title: "Over the last runs" },
          { type: "durations", title: "Durations" },
        ],
      },
    },
  },
};
