/** What is inside a film, as the gateway tells it. What has its usual value is left out of the answer. */
export interface Media {
  container: string;
  duration_s: number;
  video?: { codec: string; width: number; height: number } | null;
  sounds?: Sound[];
  texts?: Text[];
  chapters?: Chapter[];
}

/** `number` counts the film's sound tracks from 0; `language` is ISO 639-2, as containers say it. */
export interface Sound {
  number: number;
  codec: string;
  channels: number;
  language?: string | null;
  title?: string | null;
  is_default?: boolean;
  is_commentary?: boolean;
}

/** `number` counts the film's subtitles from 0, those from files beside it from 1000; `pgs` and `vobsub` are pictures and can't be shown as text. */
export interface Text {
  number: number;
  kind: "text" | "ass" | "pgs" | "vobsub";
  language?: string | null;
  title?: string | null;
  is_default?: boolean;
  is_forced?: boolean;
  is_for_hearing_impaired?: boolean;
}

export interface Chapter {
  start_s: number;
  title: string;
}

/** How the film comes to this browser. `reasons` are sentences fit to show. */
export interface Plan {
  way: "as_is" | "remux" | "sound_converted" | "full_conversion" | "cannot";
  reasons: string[];
}
