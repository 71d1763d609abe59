import { follow } from "./live"; follow({ onChange: () => undefined });
