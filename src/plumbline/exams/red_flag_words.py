"""How red flags are written (clinical.md, "What cannot wait"): words by meaning, and the signs they make.

A sign is one or more meanings close together in one statement, so that "numb round the back passage"
and "perianal numbness" are one. Four languages; words are plain text (``plain_text.plain``), ``*`` stands for any
letters. Tables and nothing else; negation is heeded by ``red_flag_text``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from plumbline.exams.facts import RedFlag

_SHARED = {
    "new": """
        new, newly, acute*, sudden*, progress*, worse*, deteriorat*, increas*, rapid*, recent*, onset, escalat*,
        recur*, since yesterday, since this morning, neu, neue, neuer, neues, neuen, aufgetret*, akut*, plotzlich*,
        zunehmend*, progredient*, perakut*, frisch*, rasch*, verstark*, vermehrt*, verschlecht*, verschlimmer*,
        *exazerb*, nouveau, nouvelle*, brutal*, brusque*, aigu*, aggrav*, croissant*, major*, recrudesc*, evoluti*,
        apparition, nuev*, subit*, agud*, empeor*, brusc*, recient*, crecient*, aument*, increment*, exacerb*,
        aparicion
    """,
    "strong": """
        severe*, intractable, excruciating, unbearable, *stark, *starke*, starker*, heftig*, intens*, hyperalgi*,
        insoport*
    """,
    "long known": """
        chron*, longstanding, long standing, long term, old, residual, unchanged, established, for years, since
        childhood, seit jahren, seit langem, bekannt*, unverandert*, residuell*, alte, alter, altes, ancien*,
        sequell*, sequel*, connu*, inchange*, cronic*, conocid*, antigu*, secuel*, sin cambios
    """,
    "cannot": """
        cannot, can t, cant, can not, could not, couldn t, unable, inability, not able, no longer able, incapable,
        nicht, kaum, unfahig*, impossib*, incapac*, incapaz, imposib*, ne peut, ne parvient, n arrive, no puede, no
        logra, no consigue
    """,
    "lost": """
        loss, lost, losing, reduc*, decreas*, drop*, down, diminish*, diminu*, vermind*, reduz*, nachlass*, perte*,
        perdid*, disminu*, lax, poor, weak*, absent, gone, schlaff*, fehlend*, herabgesetzt*, aboli*, hypoton*,
        hipoton*, beance
    """,
    "operation": """
        surgery, postop*, post op*, op, operation*, operated, surgical, theatre, ga, anaesthesia, chirurgi*,
        intervention, cirugia*, operac*, qx, postquir*
    """,
}
_CAUDA_EQUINA = {
    "cauda equina": """
        cauda*, cauda equina, cauda equina syndrom*, kauda*, queue de cheval, cola de caballo, sqc, qdc, ? ces, ces
        ?, r o ces, query ces, suspected ces, possible ces, acute ces, exclude ces, cesi, cesr, ? scc, scc ?, conus
        syndrom*, conus compression, reithosen*, no anal tone, no rectal tone, no pr tone, no anal squeeze, no
        sphincter tone
    """,
    "incontinence": """
        *incontinen*, *inkontinen*, einnassen, einkoten, soiling, wetting, perdida* de orina, escape* de orina,
        fuite* urinaire*, fuite* d urine*, perte* d urine*
    """,
    "retention": """
        retention*, retencion*, harnverhalt*, harnretention*, rau, rao, globe vesical, globe urinaire, globo
        vesical, uberlaufblase, post void, postvoid, pvr, restharn*, residu post, residuo post, bladder scan
    """,
    "voiding": """
        void*, urinat*, pass urine, passing urine, passes urine, pass water, passing water, pee, peeing, wee,
        weeing, micturat*,
        empty bladder, empty her bladder, empty his bladder, empty the bladder, wasser lassen, wasserlassen,
        urinier*, harn lassen, uriner, urine, urines, miction, mictions, orinar, miccion
    """,
    "hindered": "difficult*, trouble, struggl*, hesitan*, schwierig*, dificult*, keine",
    "voiding disorder": """
        miktions*, urinary hesitancy, blase*stor*, blase*schwach*, blase*lahm*, blase*entleer*, sphinkter*schwach*,
        sphinkter*stor*, sphinkter*lahm*, mastdarm*stor*, mastdarm*schwach*, mastdarm*lahm*, kein wasser lassen,
        wasser nicht lassen, troubles mictionnel*, troubles urinair*
    """,
    "sphincter": """
        sphinc*, sphinkt*, esfinter*, sfinter*, bladder, bowel, bowels, blase, blasen, mastdarm*, vesico*, vesical*,
        vessie, vejiga, schliessmuskel*, urinary
    """,
    "disturbed": """
        dysfunction*, disturb*, symptom*, sx, involvement, problem*, change*, loss, lost, losing, control, impair*,
        paralys*, weak*, storung*, schwach*, lahm*, ausfall*, trouble*, perte*, alterac*, alterad*, disfunc*,
        trastorn*, perdida*, relajac*, neurogen*, incompeten*
    """,
    "anal tone": """
        anal tone, rectal tone, pr tone, sphincter tone, anal sphincter, anal squeeze, anal reflex, anal sensation,
        rectal sensation, anal wink, tonus anal, tonus sphincterien, analtonus, sphinktertonus, analreflex, tono
        rectal, tono anal, tono esfinteriano, anale, anal
    """,
    "numb": """
        numb*, *anaesth*, *anesth*, anasth*, *hypoaesth*, *hypoesth*, hypaesth*, hypasth*, hypesth*, hipoest*,
        anestes*, *parasth*, paraesth*, paresthes*, parestes*, dysaesth*, dysesth*, tingl*, pins and needles,
        sensory loss, loss of sensation, altered sensation, reduced sensation, sensory disturb*, pinprick, can t
        feel, cant feel, cannot feel, doesn t feel, does not feel, unable to feel, taub*, gefuhllos*, pelzig*,
        kribbel*, sensibilitats*, engourd*, insensib*, entumec*, adormec*, acorchad*, perdida de sensibilidad,
        perdida de la sensibilidad, alteracion de la sensibilidad, alteracion de sensibilidad, falta de sensibilidad
    """,
    "saddle": """
        saddle, sadle, perine*, perianal*, genital*, groin, groins, buttocks, bum, bottom, backside, back passage,
        down below, private
        parts, privates, vagina*, penis, penile, scrot*, escrot*, toilet paper, wiping, damm, dammbereich, gesass*,
        schritt, analbereich, selle, fesses, oge, silla, nalgas
    """,
}
_NEW_DEFICIT = {
    "paralysis": """
        foot drop, footdrop, drop foot, *heber*pares*, *heber*schwach*, *heber*lahm*, *senker*pares*,
        *senker*schwach*, *strecker*schwach*, *strecker*pares*, *beuger*schwach*, *beuger*pares*, *bein*schwach*,
        *arm*schwach*, *hand*schwach*, *fuss*schwach*, *parese, *paresen, *paresie, *paresies, *paresia, *paresias,
        *paresis, parese*, *plegia, *plegie, *plegies, *plegien, plegi*, *plejia, *plejias, steppage, pied tombant,
        pie caido, pie equino, releveur*, paralys*, paralis*, palsy, palsies, *querschnitt*, *lahmung, *lahmungen,
        gelahmt*, deficit*, defizit*, loss of power, loss of strength, lost power, loss of function, kraftminder*,
        kraftlos*, kraftverlust*, perte de force, perdida de fuerza, perdida progresiva de fuerza, perdida de la
        fuerza, disminucion de fuerza, disminucion de la fuerza, giving way, gives way, give way, buckl*, derob*,
        flail, clums*, dropping things
    """,
    "cord": """
        sensory level, niveau sensitif, nivel sensitivo, syndrome medullaire, sd medullaire, syndrome pyramidal,
        sindrome medular, sd medular, ischemie medullaire, isquemia medular, off legs, off his legs, off her legs,
        off feet, ataxi*, gangataxi*, gangunsicher*, gangstor*, gehunfahig*, gehunfahigkeit, hyperreflex*
    """,
    "weakness": "weak, weakness*, weakening, schwach*, faibless*, debilid*, paralysant*, deficitaire*, clums*",
    "strength": "power, strength, mrc, kraft*, kg, force, fuerza, motor, motric*, cotation, cote, coté, testing",
    "limb": """
        leg, legs, arm, arms, foot, feet, hand, hands, limb, limbs, toe, toes, ankle*, dorsiflex*, plantarflex*, df,
        pf, ehl, quadriceps, deltoid*, biceps, triceps, grip, hip flexion, knee extension, bein, beine, beinen,
        beines, fuss*, *hebung, *senkung, hande, zehe*, grosszehe*, jambe*, pied*, bras, main, mains, membre*, mi,
        mid, mig, mii, mmii, mmss, pierna*, pie, pies, brazo*, mano, manos, miembro*, extremi*, lower body
    """,
    "moving": """
        move, moving, wiggl*, lift*, walk*, stand, mobilis*, mobiliz*, weight bear, dorsiflex*, plantarflex*, flex,
        extend, raise, grip, bewegen, gehen, laufen, stehen, heben, anheben, bouger, marcher, mouvoir, lever,
        relever, flechir, marche, mover, caminar, andar, levantar, deambul*, marcha, flexionar, bipedestac*
    """,
    "a distance": "more than, further than, plus de, mehr als, weiter als, mas de",
    "stopped": """
        ne marche plus, ne tient plus, ne peut plus, marche impossible, no longer walk*, claudica*n las piernas
    """,
    "gait": """
        gait, walking, mobility, balance, marche, marcha, gang, gangbild, deambulac*, ambulation, station debout
    """,
    "gait trouble": """
        unsteady, ataxi*, spastic*, instab*, unstable, deteriorat*, disturb*, imbalance, unsicher*, spastisch*,
        trouble*, tr, impossib*, inestab*, alterac*, trastorn*, dificult*, worse*, loss
    """,
    "nerves": "myelopath*, mielopat*, neurolog*, neuro, motor",
}
_BLEEDING = {
    "bleeding": """
        *hemorrhag*, haemorrhag*, hamorrhag*, hemorrag*, bleed*, rebleed*, haematom*, hematom*, *hamatom, *hamatome,
        *hamatoms, blutung*, *blutung, *blutungen, blutet, saign*, sangrad*, sangra, sangran*, blood loss,
        blutverlust*, deglobul*, anemiz*, anemie aigue, anemia aguda, stridor*, airway compromise, active
        extravasation, hypotens*, hipotens*, haemodynamic* unstable, hemodynamic* unstable, *kreislaufinstab*,
        hamodynamisch instab*, etat de choc, choc hemorrag*, shock hemorrag*, hematic*, retroperitoneal collection
    """,
    "haemoglobin": "hb, hgb, haemoglobin*, hemoglobin*, hamoglobin*, hemoglobina",
    "fallen": """
        fall*, fell, drop*, down, low, decreas*, from, abfall*, *abfall, *sturz, abgefall*, gefall*, sinkt, verlust,
        chute*, baisse*, caid*, cae, descens*, bajad*, bajo, baja, perdid*
    """,
    "hb fall": "hbabfall*, hb abfall*, hb sturz*, hb verlust*, hb von, hb drop",
    "drain": "drain, drains, drainage*, redon*, dren, drenaj*, wunddrainage*",
    "much": "high, excess*, large, blood, bloody, fresh, viel, blutig*, productif, sanglant*, abundan*, increas*",
    "blood": "blood, bloody, blut, blutig*, sang, sangre",
    "swelling": "swelling, swollen, schwellung*, tumefac*, gonflement, hinchaz*",
    "neck or flank": """
        neck, wound, flank, throat, hals, flanke, cou, flanc, cuello, flanco, dressing*, verband*, pansement*
    """,
    "soaked": "soak*, durchblut*, empapad*, imbib*",
    "oozing": "ooz*, suint*",
}
_INFECTION = {
    "infection": """
        fever*, febril*, feverish, fieber*, fievre*, fiebre*, pyrexi*, chill, chills, rigor, rigors, shiver*,
        *schuttelfrost*, frisson*, escalofr*, tiriton*, sepsis, septic*, septis*, infect*, *infekt*, infecc*,
        *discitis*, *diskitis*, *diszitis*, *dizitis*, *discite, *discites, osteomyel*, osteomiel*, abscess*,
        *abszess*, abces*, absces*, empyem*, empiem*, phlegmon*, flemon*, pus, purul*, pyogen*, supur*, suppur*,
        eiter*, eitr*, *dehisc*, *dehisz*, desunion*, wundheilungsstor*, wundsekret*, sekret*, secrec*, exud*,
        exsud*, ecoulement*, discharge, discharging, ooz*, suint*, erythe*, eritem*, eryt*em*, redness, *rotung*,
        gerotet*, uberwarm*, cellulit*, erysip*, erisipel*, bacter*emi*, bacteri*emi*, bakteri*mi*, staph*, mrsa,
        mssa, e coli, tubercul*, tbc, koch, pott, brucel*, endocardit*, endokardit*, ivdu, drug user, drug use, drug
        abuse, drogenab*, udvp, toxicoman*, immunosup*, immunsup*, fistel*, subfebril*, febricul*, low grade temp*,
        *leukozytos*, leucocytos*, leukocytos*, leucocitos*, hyperleuco*, syndrome inflammatoire, sd inflammatoire,
        sindrome febril, hyperthermi*, wundabstrich positiv*
    """,
    "tuberculosis": "tb",
    "spinal": "spine, vertebr*, spondyl*, psoas, gibbus, wirbel*, rachis, columna, collection*",
    "marker": """
        crp, esr, wcc, wbc, bsg, vs, vsg, pcr, procalcit*, pct, inflammatory, markers, marker, entzundungs*,
        leukozyt*, leucocyt*, leucocit*, leukocyt*, white cells, white cell, marqueurs, marcadores, reactantes
    """,
    "raised": """
        elevat*, rais*, rising, high, up, increas*, climb*, erhoh*, *anstieg, steigend*, gestieg*, augment*, eleve*,
        elevad*, alta, alto, altas, altos, aument*
    """,
    "temperature": "temp, temps, temperatur*, fievre, fieber, fiebre, febril*, pyrexi*, spik*, grad, c",
    "spiking": "spik*, picos",
    "wound": "wound*, incision*, scar, wunde, wunden, narbe*, cicatri*, plaie*, herida*, sutur*, stitches",
    "inflamed": """
        red, hot, swollen, warm*, inflam*, breakdown, gaping, leak*, open, rouge*, chaud*, roja, caliente, abiert*,
        enrojec*, entzund*, rot, nass*, drain*, discharg*
    """,
}
_WAKING_PAIN = {
    "radicular pain": """
        radicular pain, root pain, leg pain, arm pain, thigh pain, foot pain, shooting pain, sciati*, sciatalg*,
        radiculalg*, radiculop*, radikul*, brachialg*, cruralg*, *ischialgi*, *beinschmerz*, *armschmerz*,
        *wurzelschmerz*, lombosciat*, ncb, nevralg*, ciatic*, ciatalg*, lumbociat*, dolor radicular, douleur
        radiculaire, dolor ciatico, dolor en pierna, dolor en la pierna, dolor de pierna, douleur de la jambe,
        schmerzen im bein
    """,
    "root or limb": """
        leg, legs, arm, arms, thigh, foot, calf, buttock, bein, beine, beinen, fuss, jambe, bras, pierna, brazo,
        root, dermatom*, wurzel*, l2, l3, l4, l5, s1, c5, c6, c7, c8
    """,
    "pain": "pain, pains, *schmerz*, schm, douleur*, dolor, dolores",
    "waking": """
        waking, awak*, awoke, woke, wakes, wake up, wakeup, emergence, in recovery, in the recovery, recovery room,
        pacu,
        *aufwach*, erwach*, aufgewacht, reveil, sspi, despert*, reanimacion
    """,
    "sleep": "night*, sleep*, nacht*, schlaf*, nuit*, nocturn*, noche*",
    "at once": """
        immediat*, straight, straightaway, directly, sofort*, unmittelbar*, direkt, d emblee, inmediat*, as soon
    """,
}
_HEADACHE = {
    "headache": "headach*, ha, *kopfschmerz*, cephal*, cefal*, maux de tete, dolor de cabeza, h a",
    "posture": """
        upright, stand*, stood, sitting, sit, sits, sat, seated, getting up, gets up, orthosta*, ortosta*, postur*,
        position*, lageabhang*, *stehen*, aufrecht*, *aufricht*, *aufsitz*, sitzen*, liegen*, debout, assis*, lever,
        decubit*, allong*, verticali*, incorpor*, bipedest*, de pie, sentar*, sentad*, levant*, lying, flat, erect,
        low pressure, spinal, dural, postpunkt*, postpunct*, post pl, unterdruck*, dura
    """,
    "leak by name": """
        pdph, pseudomening*, pseudo mening*, meningocel*, meningozel*, durotom*, clear fluid, klare flussigkeit,
        liquide clair, liquido claro, ecoulement clair, dura*verletz*, duraris*, duraleck*, duradefekt*, duraeroff*,
        duralas*, liquorfist*, liquorleck*, liquorkiss*, liquorverl*, liquorrho*, liquoraus*, liquor austritt*,
        unterdruckkopf*
    """,
    "cerebrospinal fluid": "csf, lcr, lcs, liquor*, cerebrospinal, liquide cephalo*, liquido cefalo*",
    "leaking": """
        leak*, fistul*, fistel*, collection*, colecc*, drain*, fuite*, fuga*, perdid*, salida, verlust*, coul*,
        ecoul*, discharg*, incision*, wound*, leck*, austritt*, lauft, seep*
    """,
    "dura": "dura, dural, dure, durale, duramadre",
    "torn": """
        tear*, torn, leak*, breach*, injur*, defect*, repair*, ris, riss*, leck*, verletz*, lasion*, breche*,
        desgarr*, lesion*, punc*, punkt*, rotur*, eroff*, fistul*
    """,
}
_CANCER = {
    "cancer": """
        cancer*, *carcinom*, *karzinom*, *sarcom*, *sarkom*, melanom*, lymphom*, linfom*, nhl, *myelom, *myeloma*,
        *myelome*, mielom*, plasmozyt*, plasmocyt*, plasmacyt*, leukaemi*, leukemi*, leukami*, leucemi*, *metasta*,
        mets, mts, filiae, malign*, tumor*, tumour*, tumeur*, neoplas*, *krebs*, nsclc, sclc, rcc, hcc, oncolog*,
        onkolog*, chemo, chemother*, quimio*, chimio*, radiother*, known primary, mscc, hodgkin*, glioma*,
        ependymom*, weight loss, wt loss, loss of weight, lost weight, losing weight, unintentional weight, appetite
        loss, loss of appetite, gewichtsverlust*, gewichtsabnahme*, amaigri*, perte de poids, aeg, alteration de l
        etat general, perdida de peso, adelgaz*, kachex*, cachex*, caquex*, b symptom*, night sweats, sueurs
        nocturnes, nachtschwei*, sudoracion nocturna, sindrome constitucional, osteoly*, lyse osseuse, lytique*,
        lost kg, lost lbs
    """,
    "growth": "ca, neo, k",
    "organ": """
        breast, prostat*, lung*, renal, kidney*, thyroid*, colon*, colorect*, bowel, rectal, rectum, bladder, ovar*,
        pancreas, gastric, mamma*, bronch*, nieren*, kolon*, magen*, sein, poumon*, rein, utero, uterin*, mama,
        pulmon*, rinon, vejiga, gastrico, tiroid*, recto, thyreo*
    """,
    "lesion": "lesion*, deposit*, lasion*",
    "destructive": "lytic*, sclerotic*, blastic*, osteoblast*, litic*, blastiqu*, condensante*",
    "pathological": "patholog*, patolog*",
    "fracture": "#, fracture*, fx, fraktur*, fractura*, tassement*",
    "psa": "psa",
}
_NEW_PAIN = {
    "back pain": """
        back pain, backache*, lbp, neck pain, axial pain, *ruckenschmerz*, kreuzschmerz*, nackenschmerz*, lumbalg*,
        lumbago, lombalg*, rachialg*, dorsalg*, cervicalg*, pain, schmerz*, schm, schmerzexazerb*, douleur*, dolor,
        dolores
    """,
    "other pain": """
        buttock pain, hip pain, calf pain, knee pain, chest pain, shoulder pain, abdominal pain, wound pain
    """,
    "ago": "ago, yesterday, gestern, hier, ayer, vor, il y a, hace, postop*, post op*, pod, weeks out, months out",
    "since": """
        after, following, since, post, s p, nach, seit, apres, depuis, suite, tras, despues, desde, posterior,
        postop*, post op*
    """,
    "intervention": """
        injection*, puncture*, surgery, operation*, op, procedure*, epidural, block*, ablation, rhizotom*,
        denervat*, discogra*, fusion*, tlif, plif, alif, olif, xlif, llif, acdf, *ectom*, *ektom*, *otom*, kypho*,
        *plast*, cimento*, decompress*, dekompress*, descompres*, *infiltra*, *punktion*, ponction*, puncion*,
        *spondylodes*, eingriff*, versteifung*, verschraub*, stabilis*, instrument*, osteosynth*, osteosint*,
        chirurgi*, intervention*, intervenc*, arthrodes*, artrodes*, cirugia*, operac*, bloqueo*, cage*,
        procedimient*, prozedur*
    """,
}
WORDS = {
    **_SHARED, **_CAUDA_EQUINA, **_NEW_DEFICIT, **_BLEEDING, **_INFECTION, **_WAKING_PAIN, **_HEADACHE, **_CANCER,
    **_NEW_PAIN,
}  # fmt: skip
NUMBERS = {
    "low grade": re.compile(r"[0-3][-+]?/5"),
    "fever degrees": re.compile(r"(?:3[89]|4[01])(?:[.,]\d)?"),
    "high count": re.compile(r"[2-9]\d|\d{3}"),
    "low haemoglobin": re.compile(r"[3-8](?:[.,]\d)?|[4-8]\d"),
    "hundreds": re.compile(r"\d{3,4}"),
}
"""Grades of strength, degrees Celsius, CRP or ESR, haemoglobin in g/dl or g/l, millilitres."""


@dataclass(frozen=True, slots=True)
class Sign:
    """Meanings that amount to something when they stand close together in one statement.

    Parameters
    ----------
    meanings
        All of them are needed.
    within
        Words that may lie between the first and the last of them.
    over_commas
        Whether a comma may lie between them.
    in_order
        Whether they must be written in this order.
    unless
        A meaning that speaks against it, anywhere in the statement.
    """

    meanings: tuple[str, ...]
    within: int = 4
    over_commas: bool = False
    in_order: bool = False
    unless: str | None = None


COMPOUNDS = {
    "worse back pain": (
        Sign(("new", "back pain"), 5, over_commas=True),
        Sign(("strong", "back pain"), 5, over_commas=True),
    ),
    "since an intervention": (
        Sign(("since", "intervention"), 5, in_order=True),
        Sign(("intervention", "ago"), 6, in_order=True),
    ),
}
"""Meanings that are made of others."""

SIGNS = {
    RedFlag.CAUDA_EQUINA: (
        Sign(("cauda equina",)),
        Sign(("incontinence",)),
        Sign(("retention",)),
        Sign(("voiding disorder",)),
        Sign(("numb", "saddle"), 5),
        Sign(("cannot", "voiding"), 6, in_order=True),
        Sign(("voiding", "cannot"), 2, in_order=True),
        Sign(("hindered", "voiding"), 3, in_order=True),
        Sign(("sphincter", "disturbed")),
        Sign(("anal tone", "lost"), 3),
    ),
    RedFlag.NEW_DEFICIT: (
        Sign(("paralysis",)),
        Sign(("cord",)),
        Sign(("stopped",)),
        Sign(("weakness", "limb"), 5),
        Sign(("weakness", "new")),
        Sign(("weakness", "operation")),
        Sign(("strength", "lost"), 3),
        Sign(("low grade", "strength"), 6),
        Sign(("low grade", "limb"), 6),
        Sign(("low grade", "weakness"), 6),
        Sign(("new", "numb", "limb"), 5),
        Sign(("cannot", "moving"), 6, in_order=True, unless="a distance"),
        Sign(("gait", "gait trouble"), 3),
        Sign(("gait", "new"), 3),
        Sign(("nerves", "new"), 3),
    ),
    RedFlag.BLEEDING: (
        Sign(("bleeding",)),
        Sign(("hb fall",)),
        Sign(("haemoglobin", "fallen")),
        Sign(("haemoglobin", "low haemoglobin"), 2),
        Sign(("drain", "much")),
        Sign(("drain", "hundreds")),
        Sign(("swelling", "neck or flank")),
        Sign(("soaked", "neck or flank")),
        Sign(("soaked", "blood")),
        Sign(("oozing", "blood")),
    ),
    RedFlag.INFECTION: (
        Sign(("infection",)),
        Sign(("tuberculosis", "spinal"), 5, over_commas=True),
        Sign(("marker", "raised"), 4, over_commas=True),
        Sign(("marker", "high count"), 3),
        Sign(("temperature", "fever degrees"), 3),
        Sign(("spiking", "temperature"), 2),
        Sign(("wound", "inflamed"), 4, over_commas=True, unless="leak by name"),
    ),
    RedFlag.RADICULAR_PAIN_ON_WAKING: (
        Sign(("radicular pain", "waking"), 8, over_commas=True, unless="sleep"),
        Sign(("root or limb", "pain", "waking"), 9, over_commas=True, unless="sleep"),
        Sign(("radicular pain", "at once", "operation"), 6),
        Sign(("root or limb", "pain", "at once", "operation"), 8),
    ),
    RedFlag.POSTURAL_HEADACHE: (
        Sign(("leak by name",)),
        Sign(("headache", "posture"), 8, over_commas=True),
        Sign(("cerebrospinal fluid", "leaking"), 5),
        Sign(("dura", "torn"), 3),
    ),
    RedFlag.CANCER: (
        Sign(("cancer",)),
        Sign(("growth", "organ"), 2),
        Sign(("destructive", "lesion"), 3),
        Sign(("pathological", "fracture"), 1),
        Sign(("psa", "raised"), 2),
        Sign(("psa", "high count"), 2),
    ),
    RedFlag.NEW_PAIN_AFTER_PROCEDURE: (
        Sign(("worse back pain", "since an intervention"), 10, over_commas=True),
    ),
}  # fmt: skip
FADES_WHEN_LONG_KNOWN = frozenset({RedFlag.NEW_DEFICIT})
"""Flags that something long known and unchanged does not raise."""
