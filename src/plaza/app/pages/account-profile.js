// The profile: what other people see, and who may find and invite its owner.

import { reading } from "./account-rows.js";
import { isWaiting } from "./api.js";
import { byId } from "./dom.js";
import { onSubmit } from "./forms.js";

export function mountProfile({ api, notice, show }) {
  const form = byId("profile-form");
  const fill = (profile) => {
    form.elements.display_name.value = profile.display_name;
    form.elements.username.value = profile.username ?? "";
    form.elements.bio.value = profile.bio;
  };
  onSubmit("profile-form", async ({ display_name, username, bio }) => {
    const profile = await api.mine("PATCH", "profile", { display_name, username: username || null, bio });
    fill(profile);
    // The first username may have begun the wait, and meanwhile it may have ended.
    if (isWaiting(api.user) || (!api.user.username && profile.username)) await api.renew();
    show({ ...api.user, display_name: profile.display_name, username: profile.username });
    notice("Your profile is saved.");
  });
  reading(form, "Your profile", async () => fill(await api.mine("GET", "profile")));
}

export function mountPrivacy({ api, notice }) {
  const form = byId("privacy-form");
  const fill = ({ preferences }) => {
    form.elements.discoverable.checked = preferences.discoverable;
    form.elements.ask_first.checked = preferences.group_invites === "ask";
    form.elements.last_seen.checked = preferences.last_seen === "everybody";
  };
  onSubmit("privacy-form", async () => {
    const { discoverable, ask_first: askFirst, last_seen: lastSeen } = form.elements;
    const preferences = {
      discoverable: discoverable.checked,
      group_invites: askFirst.checked ? "ask" : "everybody",
      last_seen: lastSeen.checked ? "everybody" : "nobody",
    };
    fill(await api.mine("PATCH", "profile", { preferences }));
    notice("Your privacy settings are saved.");
  });
  reading(form, "Your privacy settings", async () => fill(await api.mine("GET", "profile")));
}
