// The profile: what other people see.

import { byId } from "./dom.js";
import { onSubmit } from "./forms.js";

export async function mountProfile({ api, notice, show }) {
  const form = byId("profile-form");
  const fill = (profile) => {
    form.elements.display_name.value = profile.display_name;
    form.elements.username.value = profile.username ?? "";
    form.elements.bio.value = profile.bio;
  };
  onSubmit("profile-form", async ({ display_name, username, bio }) => {
    fill(await api.mine("PATCH", "profile", { display_name, username: username || null, bio }));
    show(await api.mine("GET", "user"));
    notice("Your profile is saved.");
  });
  fill(await api.mine("GET", "profile"));
}
