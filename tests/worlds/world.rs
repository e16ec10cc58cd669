//! A world from its beginning to its rest, and what is judged then.

use std::time::Duration;

use itcare_sim::{ActionState, Config};
use jiff::SignedDuration;

use crate::alone::Wanted;
use crate::draw::Draw;
use crate::past::{Past, Told};
use crate::replicas::Replicas;
use crate::secrets::{Log, SECRETS};
use crate::story::Story;
use crate::support::{Setup, World};
use crate::tally::Tally;
use crate::trouble::some_seconds;
use crate::{check, rest, secrets, trace as traces};

/// Lives the world of a seed. Panics if anything is not as it must be; the story is told then, or if asked for.
pub async fn all(seed: u64, Wanted { tell, trace }: Wanted) -> (Tally, Option<String>) {
    let log = Log::take(seed % 4 == 1);
    let mut draw = Draw::seeded(seed);
    let skew = some_seconds(&mut draw);
    let keeps_its_word = draw.one_in(16);
    let world = made(seed, skew, keeps_its_word, &mut draw);
    let objects = match seed % 40 {
        7 => 100 + draw.below(101),
        _ => {
            let most = *draw.pick(&[10, 31]);
            10 + draw.below(most)
        }
    };
    let days = *draw.pick(&[2, 2, 2, 2, 3, 3, 4, 7]);
    let mut story = Story::new(objects, draw, keeps_its_word, tell);
    let kind = if seed.is_multiple_of(2) { "strict" } else { "lax" };
    story.say(format!("a {kind} world of {objects} objects and {days} days"));
    let mut replicas = Replicas::start(&world, &mut story);
    story.unfold(&world, &mut replicas, days).await;
    story.heal(&world, &mut replicas).await;
    let healed = story.now();
    let mut calls = rest::Calls::default();
    let quiet = rest::comes(&world, &mut calls, &story).await;
    story.rests(&world);
    tokio::time::sleep(rest::AUDIT).await;
    replicas.still_run(&story);
    quiet.has_stayed(&world, &mut calls, &story);
    drop(replicas);

    world.audit();
    let (calls, writes) = (world.sim.journal(), world.api.writes());
    let past = Past::of(&world, &story, skew, Told { calls: &calls, writes: &writes });
    past.holds();
    rest::no_flapping(&world, &writes, &story, healed);
    check::all(&world, &story, &past);
    secrets::not_sent(&calls, &writes);
    let logged = log.holds_no_secret();

    let mut tally = story.tally.clone();
    past.count(&mut tally);
    tally.add("worlds", 1);
    tally.add(format!("worlds: {kind}"), 1);
    tally.add("objects", story.lives.0.len());
    tally.add("days", days as usize);
    tally.add("bytes logged", logged);
    tally.add("calls", calls.len());
    tally.add("writes", writes.len());
    for action in world.sim.actions().iter().filter(|action| action.state == ActionState::Succeeded) {
        tally.add(format!("done: {}", action.process), 1);
    }
    (tally, trace.then(|| traces::of(&calls, &writes)))
}

/// A cluster and a cloud, with the oddities that the seed draws.
fn made(seed: u64, skew: SignedDuration, keeps_its_word: bool, draw: &mut Draw) -> World {
    let mut config = Config::auto(Duration::from_secs(*draw.pick(&[2, 20, 90])));
    config.skew = skew;
    if !keeps_its_word {
        config.snapshot_lifetime = Duration::from_secs(*draw.pick(&[9, 11]) * 3600);
    }
    config.accounts.list[0].secret = SECRETS[0].to_owned();
    let mut world = World::with(config);
    world.sim.quirks(|quirks| {
        let protects = seed.is_multiple_of(2);
        quirks.unique_names = protects;
        quirks.single_slot = protects;
        quirks.resize_needs_stop = draw.one_in(2);
        quirks.visible_while_creating = draw.one_in(3);
        quirks.transitional_states = draw.one_in(3);
        quirks.removed_leftovers = draw.one_in(4);
        quirks.omit_storage = draw.one_in(4);
        quirks.names_match_prefix = draw.one_in(4);
    });
    let lease = Duration::from_secs(*draw.pick(&[600, 900]));
    let timeout = Duration::from_secs(30);
    world.setup = Setup {
        elect: true,
        lease,
        timeout,
        settle: lease + timeout + Duration::from_secs(30),
        observe_interval: Duration::from_secs(*draw.pick(&[600, 1200])),
        action_interval: Duration::from_secs(20),
        page_size: *draw.pick(&[3, 50, 200]),
        seed: draw.number(),
        ..Setup::default()
    };
    *world.setup.secret.lock().expect("nobody panics with it") = Ok(SECRETS[0].to_owned());
    world
}
