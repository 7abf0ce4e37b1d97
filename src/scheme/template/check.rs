//! Whether a description holds together.

use http::header::HeaderName;

use super::ends::ends;
use super::field::{Field, Place};
use super::format::{Format, MAX_HEADERS, Role, Slot};
use super::part::Part;
use crate::scheme::entry::Entry;

/// One direction, unchecked.
#[derive(Default)]
pub(super) struct Sketch {
    pub(super) fields: Vec<(Role, Field)>,
    pub(super) parts: Vec<Part>,
    pub(super) body_uncovered: bool,
    pub(super) ambiguous: bool,
}

/// A field of which there is one: its name, itself, its part, and whether it must be signed.
type Single = (&'static str, fn(&Role) -> bool, fn(&Part) -> bool, bool);

impl Sketch {
    /// `in_window` says whether the time is always looked at.
    pub(super) fn check(self, in_window: bool) -> Result<Format, String> {
        let Self { mut fields, mut parts, body_uncovered, ambiguous } = self;
        if body_uncovered && parts.is_empty() {
            return Err("nothing is signed".into());
        }
        let has = |role: fn(&Role) -> bool| fields.iter().filter(|(one, _)| role(one)).count();
        let time: fn(&Role) -> bool = |role| matches!(role, Role::Timestamp(_) | Role::Unread(_));
        let singles: [Single; 5] = [
            ("timestamp", time, |part| matches!(part, Part::Timestamp), true),
            ("nonce", |role| *role == Role::Nonce, |part| matches!(part, Part::Nonce), true),
            ("key id", |role| *role == Role::KeyId, |part| matches!(part, Part::KeyId), false),
            ("delivery id", |role| *role == Role::DeliveryId, |part| matches!(part, Part::DeliveryId), false),
            ("body digest", |role| *role == Role::Digest, |part| matches!(part, Part::BodySha256(_)), true),
        ];
        if has(|role| *role == Role::Signature) == 0 {
            return Err("no field carries the signature".into());
        }
        for (what, role, part, must_be_signed) in singles {
            let (carried, signed) = (has(role), parts.iter().any(part));
            let has_no_field = what != "body digest";
            match (carried, signed) {
                (0, true) if has_no_field => return Err(format!("no field carries the {what} that is signed")),
                (1.., false) if must_be_signed => return Err(format!("the {what} is read but not signed")),
                (2.., _) => return Err(format!("two fields carry the {what}")),
                _ => {}
            }
        }
        let carries_digest = has(|role| *role == Role::Digest) > 0;
        let mut bodies = parts.iter().filter(|part| part.is_body());
        let entry = match (bodies.next(), bodies.next()) {
            (_, Some(_)) => return Err("the body is signed twice".into()),
            (None, None) if body_uncovered => Entry::Uncovered,
            (None, None) => {
                return Err(
                    "the body is not signed: add Part::Body, or say so (without_body, response_without_body)".into()
                );
            }
            (Some(_), None) if body_uncovered => return Err("the body is signed, and left out".into()),
            (Some(Part::Body), None) => Entry::Raw,
            (Some(Part::BodySha256(encoding)), None) if carries_digest => Entry::Digest(*encoding),
            (Some(Part::OfBody(_)), None) => Entry::Whole,
            (Some(_), None) => Entry::Hashed,
        };
        // The parts of a header are written in their order.
        fields.sort_by_key(|(_, field)| match field.place {
            Place::Part { index, .. } => index,
            _ => 0,
        });
        agree(&fields)?;
        in_a_row(&fields)?;
        let keys = fields.iter().filter_map(|(_, field)| match field.place {
            Place::Member { key, .. } => Some(key),
            _ => None,
        });
        let keys = keys.collect();
        let ends = ends(&fields, &parts, ambiguous, in_window)?;
        let signs_delivery_id = parts.iter().any(|part| matches!(part, Part::DeliveryId));
        let body = parts.iter().position(|part| part.is_body() && entry.needs_body()).unwrap_or(parts.len());
        let after = parts.split_off(body);
        let skip = usize::from(entry == Entry::Raw);
        let after: Vec<Part> = after.into_iter().skip(skip).collect();
        let (slots, names) = slots(fields)?;
        let own = |part: &&Part| matches!(part, Part::Header(name) if names.contains(name));
        if let Some(Part::Header(name)) = parts.iter().chain(&after).find(own) {
            return Err(format!("fields stand in the header {name}: sign the parts of the fields, not Part::Header"));
        }
        Ok(Format { slots, names, keys, ends, before: parts, after, entry, signs_delivery_id })
    }
}

/// Each field with its header, and the names of all headers, each once.
fn slots(fields: Vec<(Role, Field)>) -> Result<(Vec<Slot>, Vec<HeaderName>), String> {
    let (mut slots, mut names) = (Vec::with_capacity(fields.len()), Vec::new());
    for (role, field) in fields {
        let name = HeaderName::try_from(field.name);
        let name = name.map_err(|_| format!("{:?} is not the name of a header", field.name))?;
        let line = names.iter().position(|one| *one == name).unwrap_or(names.len());
        if line == MAX_HEADERS {
            return Err(format!("the fields stand in more than {MAX_HEADERS} headers"));
        }
        if line == names.len() {
            names.push(name);
        }
        slots.push(Slot { role, field, line, beside: 0 });
    }
    let lines: Vec<usize> = slots.iter().map(|slot| slot.line).collect();
    for slot in &mut slots {
        slot.beside = lines.iter().filter(|line| **line == slot.line).count();
    }
    Ok((slots, names))
}

/// The parts of a header have the numbers 0, 1, 2 and so on.
fn in_a_row(fields: &[(Role, Field)]) -> Result<(), String> {
    for (_, field) in fields {
        let indices = fields.iter().filter(|(_, other)| other.name.eq_ignore_ascii_case(field.name));
        let mut indices = indices.filter_map(|(_, other)| match other.place {
            Place::Part { index, .. } => Some(index),
            _ => None,
        });
        if !(0..).zip(indices.by_ref()).all(|(expected, index): (usize, usize)| expected == index) {
            return Err(format!("the parts of the header {:?} are not numbered from 0 in a row", field.name));
        }
    }
    Ok(())
}

/// Fields that share a header have to agree on how it is cut.
fn agree(fields: &[(Role, Field)]) -> Result<(), String> {
    for (index, (_, one)) in fields.iter().enumerate() {
        for (_, other) in
            fields.iter().skip(index.saturating_add(1)).filter(|(_, other)| other.name.eq_ignore_ascii_case(one.name))
        {
            let fits = match (&one.place, &other.place) {
                (
                    Place::Member { key, separator, open },
                    Place::Member { key: other, separator: same, open: other_open },
                ) => key != other && separator == same && open == other_open,
                (Place::Part { word, separator, index }, Place::Part { word: other, separator: same, index: next }) => {
                    word == other && separator == same && index != next
                }
                _ => false,
            };
            if !fits {
                return Err(format!("two fields cut the header {:?} in different ways", one.name));
            }
        }
    }
    Ok(())
}
